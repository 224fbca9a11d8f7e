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

{{/* /etc/bateleur of sensors: sensor.yaml and what lies beside it. */}}
{{- define "bateleur.configuration" -}}
- name: configuration
  projected:
    sources:
      - configMap:
          name: {{ include "bateleur.fullname" . | quote }}
      {{- if and (include "bateleur.follows" .) (not .Values.rules.publicKey) }}
      - secret:
          name: {{ .Values.rules.signing.secretName | quote }}
          optional: true
          items:
            - key: {{ .Values.rules.signing.publicKey | quote }}
              path: rules.pub
      {{- end }}
{{- with include "bateleur.ownRules" . | trim }}{{ . | nindent 0 }}{{ end }}
{{- end -}}

{{/* Rules of one's own. */}}
{{- define "bateleur.ownRules" -}}
{{- if and (ne .Values.rules.source "off") .Values.rules.local }}
- name: local-rules
  configMap:
    name: {{ include "bateleur.fullname" . }}-rules
{{- end }}
{{- if and (ne .Values.rules.source "off") .Values.rules.existingConfigMap }}
- name: existing-rules
  configMap:
    name: {{ .Values.rules.existingConfigMap | quote }}
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
- {name: receiver-ca, secret: {{ $to.tls.caSecretName | quote }}}
{{- end }}
{{- if and $to.tls.enabled $to.tls.certificateSecretName }}
- {name: receiver-certificate, secret: {{ $to.tls.certificateSecretName | quote }}}
{{- end }}
{{- if $to.auth.username }}
- {name: receiver-auth, secret: {{ $to.auth.secretName | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether those who fetch rules trust authorities of their own, or go by a proxy. */}}
{{- define "bateleur.ownAuthorities" -}}
{{- if or .Values.rules.ca.secretName .Values.rules.ca.configMapName }}true{{ end -}}
{{- end -}}

{{/* The environment of those who fetch rules. The program takes one proxy for all addresses. */}}
{{- define "bateleur.fetching" -}}
{{- $proxy := .Values.rules.proxy -}}
{{- if or $proxy.url $proxy.secretName }}
{{- range list "HTTPS_PROXY" "HTTP_PROXY" }}
- name: {{ . | quote }}
  {{- if $proxy.secretName }}
  valueFrom: {secretKeyRef: {name: {{ $proxy.secretName | quote }}, key: {{ $proxy.key | quote }}}}
  {{- else }}
  value: {{ $proxy.url | quote }}
  {{- end }}
{{- end }}
{{- $direct := list "localhost" "127.0.0.1" -}}
{{- if eq .Values.rules.source "server" }}{{ $direct = append $direct (printf "%s-rules" (include "bateleur.fullname" .)) }}{{ end }}
- name: NO_PROXY
  value: {{ concat $direct $proxy.except | join "," | quote }}
{{- end }}
{{- if include "bateleur.ownAuthorities" . }}
- name: SSL_CERT_FILE
  value: /run/secrets/rules-ca/ca.crt
{{- end }}
{{- end -}}

{{- define "bateleur.fetchingMounts" -}}
{{- if include "bateleur.ownAuthorities" . }}
- name: rules-ca
  mountPath: /run/secrets/rules-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "bateleur.fetchingVolumes" -}}
{{- $ca := .Values.rules.ca -}}
{{- if $ca.secretName }}
- name: rules-ca
  secret:
    secretName: {{ $ca.secretName | quote }}
    defaultMode: 0440
    items: [{key: {{ $ca.key | quote }}, path: ca.crt}]
{{- else if $ca.configMapName }}
- name: rules-ca
  configMap:
    name: {{ $ca.configMapName | quote }}
    items: [{key: {{ $ca.key | quote }}, path: ca.crt}]
{{- end }}
{{- end -}}

{{/* The word for the rule server, where it is needed. */}}
{{- define "bateleur.tokenMount" -}}
{{- if .Values.rules.token.secretName }}
- name: rules-token
  mountPath: /run/secrets/rules-token
  readOnly: true
{{- end }}
{{- end -}}

{{- define "bateleur.tokenVolume" -}}
{{- with .Values.rules.token }}
{{- if .secretName }}
- name: rules-token
  secret:
    secretName: {{ .secretName | quote }}
    defaultMode: 0440
    items: [{key: {{ .key | quote }}, path: token}]
{{- end }}
{{- end }}
{{- end -}}

{{- define "bateleur.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "bateleur.emptyDir" -}}
{{- if .medium -}}
medium: {{ .medium }}
{{ end -}}
sizeLimit: {{ .sizeLimit | quote }}
{{- end -}}
