{{/* What values together must not say; values.schema.json refuses what one alone must not. */}}
{{- define "bateleur.refusals" -}}
{{- if .Values.capture.inline -}}
{{- fail "capture.inline: the sensor does not block yet; capture.inline must be false. sensor.simulateInline reaches verdicts and reports them." -}}
{{- end -}}
{{- if and .Values.capture.hostNetwork (not .Values.capture.hostInterfaces) -}}
{{- fail "capture.hostNetwork needs capture.hostInterfaces" -}}
{{- end -}}
{{- if not (or .Values.capture.hostNetwork .Values.capture.networks) -}}
{{- fail "capture.networks is empty: there is nothing to capture" -}}
{{- end -}}
{{- if and (eq .Values.rules.source "pvc") (not .Values.rules.volume.existingClaim) (ne .Values.rules.volume.accessMode "ReadWriteMany") -}}
{{- fail "rules.source pvc: all nodes mount the volume, so rules.volume.accessMode must be ReadWriteMany" -}}
{{- end -}}
{{- if and (eq .Values.rules.source "configMap") (not .Values.rules.local) (not .Values.rules.existingConfigMap) -}}
{{- fail "rules.source configMap needs rules.local or rules.existingConfigMap" -}}
{{- end -}}
{{- if ne .Values.mode "standalone" -}}
{{- $receiver := index .Values .Values.mode -}}
{{- if and (eq $receiver.kind "redis") (gt (len $receiver.hosts) 1) -}}
{{- fail (printf "%s.hosts: the sink redis takes one server" .Values.mode) -}}
{{- end -}}
{{- if and (eq .Values.mode "external") (not .Values.external.cidrs) (ne .Values.eventNetwork.policy.kind "none") (not .Values.capture.hostNetwork) -}}
{{- fail "external.cidrs: the policy needs the receiver's addresses" -}}
{{- end -}}
{{- if and $receiver.auth.username (not $receiver.auth.secretName) -}}
{{- fail (printf "%s.auth: a user needs a Secret with the password" .Values.mode) -}}
{{- end -}}
{{- end -}}
{{- $_ := include "bateleur.attachments" . -}}
{{- end -}}
