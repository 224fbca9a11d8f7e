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
{{- $own := list "kubectl.kubernetes.io/default-container" "bateleur/configuration" "k8s.v1.cni.cncf.io/networks" -}}
{{- if include "bateleur.pool" (list . "ipPool") }}{{ $own = append $own "cni.projectcalico.org/ipv4pools" }}{{ end -}}
{{- if include "bateleur.pool" (list . "ipv6Pool") }}{{ $own = append $own "cni.projectcalico.org/ipv6pools" }}{{ end -}}
{{- range $key := $own -}}
{{- if hasKey $.Values.sensor.podAnnotations $key -}}
{{- fail (printf "sensor.podAnnotations: %s comes of other values (capture.networks, eventNetwork)" $key) -}}
{{- end -}}
{{- end -}}
{{- $policy := .Values.eventNetwork.policy -}}
{{- if eq .Values.rules.source "server" -}}
{{- if and .Values.capture.hostNetwork (ne $policy.kind "none") (not $policy.nodeCidrs) -}}
{{- fail "eventNetwork.policy.nodeCidrs: followers of pods in the host's network ask the rule server from the nodes' addresses, e.g. [192.0.2.0/24]" -}}
{{- end -}}
{{- else if .Values.rules.rollout.enabled -}}
{{- fail "rules.rollout: only a rule server gives bundles in stages; rules.source must be server" -}}
{{- end -}}
{{- if eq .Values.rules.source "remote" -}}
{{- if not .Values.rules.follow.from -}}
{{- fail "rules.source remote: rules.follow.from says where bundles are, e.g. https://rules.example.org" -}}
{{- end -}}
{{- if and (not .Values.rules.follow.cidrs) (ne $policy.kind "none") (not .Values.capture.hostNetwork) -}}
{{- fail "rules.follow.cidrs: the policy needs the addresses of the server that is followed, or of the proxy" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.rules.ca.secretName .Values.rules.ca.configMapName -}}
{{- fail "rules.ca: secretName or configMapName, not both" -}}
{{- end -}}
{{- range $at, $stage := rest .Values.rules.rollout.stages -}}
{{- if le (int $stage) (int (index $.Values.rules.rollout.stages $at)) -}}
{{- fail "rules.rollout.stages: percentages must rise, e.g. [10, 50, 100]" -}}
{{- end -}}
{{- end -}}
{{- if ne (last .Values.rules.rollout.stages | int) 100 -}}
{{- fail "rules.rollout.stages: the last one must be 100" -}}
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
