{{/* Logstash beside the sensor: its container, its volumes, its pipelines. */}}

{{- define "bateleur.logstash" -}}
- name: logstash
  image: {{ include "bateleur.image" (list . "logstash") | quote }}
  imagePullPolicy: {{ .Values.images.logstash.pullPolicy }}
  env:
    - name: LS_JAVA_OPTS
      value: -Xms{{ .Values.logstash.initialJvmHeap }} -Xmx{{ .Values.logstash.maxJvmHeap }}
    - name: SEARCH_URL
      value: {{ .Values.logstash.search.url | quote }}
    {{- with .Values.logstash.search.secretName }}
    - name: SEARCH_USER
      valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: username}}
    - name: SEARCH_PASSWORD
      valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: password}}
    {{- end }}
  securityContext:
    {{- include "bateleur.noRights" . | nindent 4 }}
    # The user of Logstash's image.
    runAsUser: 1000
  resources:
    {{- include "bateleur.guaranteed" .Values.logstash.resources | nindent 4 }}
  volumeMounts:
    - name: pipelines
      mountPath: /usr/share/logstash/config/logstash.yml
      subPath: logstash.yml
    - name: pipelines
      mountPath: /usr/share/logstash/config/pipelines.yml
      subPath: pipelines.yml
    - name: pipelines
      mountPath: /etc/logstash/bateleur/pipeline
    - name: index-template
      mountPath: /etc/logstash/bateleur/templates
    {{- if eq .Values.state.type "hostPath" }}
    - name: state
      mountPath: /var/lib/logstash
      subPath: logstash
    {{- else }}
    - name: logstash-data
      mountPath: /var/lib/logstash
    {{- end }}
    - name: logstash-tmp
      mountPath: /tmp
    - name: logstash-log
      mountPath: /var/log/logstash
    {{- if .Values.logstash.search.caSecretName }}
    - name: search-ca
      mountPath: /etc/logstash/bateleur/tls
      readOnly: true
    {{- end }}
{{- end -}}

{{- define "bateleur.logstashVolumes" -}}
- name: pipelines
  configMap: {name: {{ include "bateleur.fullname" . }}-logstash}
- name: index-template
  configMap:
    name: {{ include "bateleur.fullname" . }}-logstash
    items:
      - {key: bateleur.json, path: bateleur.json}
- name: logstash-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: logstash-log
  emptyDir: {sizeLimit: 256Mi}
{{- if ne .Values.state.type "hostPath" }}
- name: logstash-data
  emptyDir: {sizeLimit: {{ .Values.state.sizeLimit | quote }}}
{{- end }}
{{- with .Values.logstash.search.caSecretName }}
- name: search-ca
  secret:
    secretName: {{ . | quote }}
    items:
      - {key: ca.crt, path: search-ca.pem}
{{- end }}
{{- end -}}

{{/* The output of deploy/logstash, without what this release does not use. */}}
{{- define "bateleur.logstashOutput" -}}
{{- $text := .Files.Get (printf "logstash/output-%s.conf" .Values.logstash.output) -}}
{{- if not .Values.logstash.search.secretName -}}
{{- $text = regexReplaceAll "(?m)^ *(user|password) => .*\n" $text "" -}}
{{- end -}}
{{- if not .Values.logstash.search.caSecretName -}}
{{- $text = regexReplaceAll "(?m)^ *(cacert|ssl_certificate_authorities) => .*\n" $text "" -}}
{{- end -}}
{{- if hasPrefix "http:" .Values.logstash.search.url -}}
{{- $text = regexReplaceAll "(ssl|ssl_enabled) => true" $text "${1} => false" -}}
{{- end -}}
{{- $text -}}
{{- end -}}
