{{/* Parts of pods that several objects share: rights, resources, volumes. */}}

{{- define "bateleur.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A container that needs no rights at all. */}}
{{- define "bateleur.noRights" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* requests = limits: the pod is Guaranteed only if every container says so. */}}
{{- define "bateleur.guaranteed" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
limits:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
{{- end -}}

{{/* The sensor's own, with devices and huge pages. */}}
{{- define "bateleur.resources" -}}
{{- $r := .Values.resources -}}
{{- $most := dict "cpu" (toString $r.cpu) "memory" $r.memory -}}
{{- with $r.hugepages2Mi }}{{ $_ := set $most "hugepages-2Mi" . }}{{ end -}}
{{- with $r.hugepages1Gi }}{{ $_ := set $most "hugepages-1Gi" . }}{{ end -}}
{{- range $resource, $count := include "bateleur.devices" . | fromYaml }}{{ $_ := set $most $resource $count }}{{ end -}}
{{- $least := deepCopy $most -}}
{{- if not $r.guaranteed }}{{ $least = mergeOverwrite $least (deepCopy $r.requests) }}{{ end -}}
requests:
  {{- toYaml $least | nindent 2 }}
limits:
  {{- toYaml $most | nindent 2 }}
{{- end -}}

{{/* /etc/bateleur: sensor.yaml and what lies beside it. */}}
{{- define "bateleur.configuration" -}}
- name: configuration
  projected:
    sources:
      - configMap:
          name: {{ include "bateleur.fullname" . }}
      {{- if and (has .Values.rules.source (list "pvc" "server")) (not .Values.rules.publicKey) }}
      - secret:
          name: {{ .Values.rules.signing.secretName }}
          optional: true
          items:
            - key: {{ .Values.rules.signing.publicKey }}
              path: rules.pub
      {{- end }}
{{- if and (ne .Values.rules.source "off") .Values.rules.local }}
- name: local-rules
  configMap:
    name: {{ include "bateleur.fullname" . }}-rules
{{- end }}
{{- if and (ne .Values.rules.source "off") .Values.rules.existingConfigMap }}
- name: existing-rules
  configMap:
    name: {{ .Values.rules.existingConfigMap }}
{{- end }}
{{- end -}}

{{- define "bateleur.configurationMounts" -}}
- name: configuration
  mountPath: /etc/bateleur
  readOnly: true
{{- if and (ne .Values.rules.source "off") .Values.rules.local }}
- name: local-rules
  mountPath: /etc/bateleur-rules/local
  readOnly: true
{{- end }}
{{- if and (ne .Values.rules.source "off") .Values.rules.existingConfigMap }}
- name: existing-rules
  mountPath: /etc/bateleur-rules/existing
  readOnly: true
{{- end }}
{{- end -}}

{{/* What the receiver of cluster and external needs of Secrets: YAML list of {name, secret}. */}}
{{- define "bateleur.receiverSecrets" -}}
{{- if ne .Values.mode "standalone" -}}
{{- $to := index .Values .Values.mode -}}
{{- if and $to.tls.enabled $to.tls.caSecretName }}
- {name: receiver-ca, secret: {{ $to.tls.caSecretName }}}
{{- end }}
{{- if and $to.tls.enabled $to.tls.certificateSecretName }}
- {name: receiver-certificate, secret: {{ $to.tls.certificateSecretName }}}
{{- end }}
{{- if $to.auth.username }}
- {name: receiver-auth, secret: {{ $to.auth.secretName }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "bateleur.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "bateleur.emptyDir" -}}
{{- if .medium -}}
medium: {{ .medium }}
{{ end -}}
sizeLimit: {{ .sizeLimit }}
{{- end -}}
