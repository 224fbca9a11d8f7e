{{/* sensor.yaml: what typed values say, with sensor.config over it. */}}

{{/* Takes away keys that are null: (dict "of" MAP). */}}
{{- define "bateleur.pruned" -}}
{{- range $key, $value := deepCopy .of -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $.of $key -}}
{{- else if kindIs "map" $value -}}
{{- include "bateleur.pruned" (dict "of" (index $.of $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bateleur.sensorYaml" -}}
{{- $typed := include "bateleur.typed" . | fromYaml -}}
{{- if hasKey $typed "Error" }}{{ fail $typed.Error }}{{ end -}}
{{- include "bateleur.overridden" (list . $typed) -}}
{{- end -}}

{{/* For those who fetch rules: what rules are tested with, and where they are. Sensors do not read it, and it has
nothing of records and capture: a change of sources starts no sensor anew, one of receivers no Job. */}}
{{- define "bateleur.updateYaml" -}}
{{- $typed := include "bateleur.typed" . | fromYaml -}}
{{- if hasKey $typed "Error" }}{{ fail $typed.Error }}{{ end -}}
{{- $update := dict "sources" .Values.rules.update.sources -}}
{{- range $key, $file := include "bateleur.selections" . | fromYaml -}}
{{- if index $.Values.rules.update $key }}{{ $_ := set $update $file (printf "%s.conf" $file) }}{{ end -}}
{{- end -}}
{{- $_ := set $typed.rules "update" $update -}}
{{- omit (include "bateleur.overridden" (list . $typed) | fromYaml) "events" "capture" "metrics" "statistics" | toYaml -}}
{{- end -}}

{{/* Values with lines of suricata-update, and the files that they become. */}}
{{- define "bateleur.selections" -}}
{{- dict "enableConf" "enable" "disableConf" "disable" "dropConf" "drop" "modifyConf" "modify" | toYaml -}}
{{- end -}}

{{- define "bateleur.overridden" -}}
{{- $all := mergeOverwrite (index . 1) (deepCopy (index . 0).Values.sensor.config) -}}
{{- include "bateleur.pruned" (dict "of" $all) -}}
{{- toYaml $all -}}
{{- end -}}

{{/* Files beside rules. */}}
{{- define "bateleur.besideRules" -}}
{{- range $key, $file := dict "classification" "classification" "reference" "reference" "thresholds" "threshold" }}
{{- with index $.Values.rules $key }}
{{ $file }}.config: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where bundles come from. */}}
{{- define "bateleur.from" -}}
{{- if eq .Values.rules.source "server" -}}
http://{{ include "bateleur.fullname" . }}-rules:{{ int .Values.rules.server.port }}
{{- else if eq .Values.rules.source "remote" -}}
{{ .Values.rules.follow.from }}
{{- else -}}
/var/lib/bateleur-shared/served
{{- end -}}
{{- end -}}

{{- define "bateleur.typed" -}}
{{- $sensor := .Values.sensor -}}
networks:
  home: {{ toJson $sensor.homeNet }}
  addresses: {{ toJson (merge (deepCopy $sensor.addresses) (dict "EXTERNAL_NET" $sensor.externalNet)) }}
  {{- with $sensor.ports }}
  ports: {{ toJson . }}
  {{- end }}
rules:
  {{- if and (ne .Values.rules.source "off") (or .Values.rules.local .Values.rules.existingConfigMap) }}
  files:
    {{- if .Values.rules.local }}
    - /etc/bateleur-rules/local/*.rules
    {{- end }}
    {{- if .Values.rules.existingConfigMap }}
    - /etc/bateleur-rules/existing/*.rules
    {{- end }}
  {{- end }}
  {{- with .Values.rules.classification }}
  classification: classification.config
  {{- end }}
  {{- with .Values.rules.reference }}
  reference: reference.config
  {{- end }}
  {{- with .Values.rules.thresholds }}
  thresholds: threshold.config
  {{- end }}
  data-directory: /var/lib/bateleur/data
  {{- if include "bateleur.follows" . }}
  store:
    directory: /var/lib/bateleur/rules
    keep: {{ .Values.rules.keep | int }}
  follow:
    from: {{ include "bateleur.from" . | quote }}
    channel: {{ .Values.rules.channel | quote }}
    key: rules.pub
    every: {{ .Values.rules.every | quote }}
    {{- if and .Values.rules.token.secretName (ne .Values.rules.source "pvc") }}
    token: /run/secrets/rules-token/token
    {{- end }}
    {{- if .Values.rules.follow.neverOlder }}
    never-older: true
    {{- end }}
  {{- end }}
events:
  file: "off"
  {{- if $sensor.alertsOnly }}
  records: {{ ternary (list "alert" "flow" "stats") (list "alert" "stats") $sensor.alertsOnlyFlows | toJson }}
  {{- else if $sensor.records }}
  records: {{ toJson $sensor.records }}
  {{- end }}
  payload: {{ $sensor.payload }}
  packet: {{ $sensor.packet }}
  {{- if not (kindIs "invalid" $sensor.communityId) }}
  community-id: {{ $sensor.communityId | int }}
  {{- end }}
  {{- if and (ne .Values.mode "standalone") .Values.eventNetwork.interface (not .Values.capture.hostNetwork) }}
  interface: {{ .Values.eventNetwork.interface | quote }}
  {{- end }}
  spool:
    directory: /var/lib/bateleur/spool
    limit: {{ .Values.spool.limit }}
    segment: {{ .Values.spool.segment }}
    {{- with .Values.spool.age }}
    age: {{ . | quote }}
    {{- end }}
    sync: {{ .Values.spool.sync | quote }}
    full: {{ .Values.spool.full }}
  sinks:
    - {{ include "bateleur.sink" . | trim | nindent 6 | trim }}
    {{- with .Values.extraSinks }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
statistics:
  interval: {{ $sensor.statisticsInterval | int }}
limits:
  flow-memory: {{ $sensor.limits.flowMemory }}
  stream-memory: {{ $sensor.limits.streamMemory }}
  reassembly-memory: {{ $sensor.limits.reassemblyMemory }}
  reassembly-depth: {{ $sensor.limits.reassemblyDepth }}
  fragment-memory: {{ $sensor.limits.fragmentMemory }}
checksums: {{ $sensor.checksums }}
{{- if $sensor.simulateInline }}
inline: true
{{- end }}
metrics:
  listen: {{ printf "%s:%d" .Values.metrics.address (int .Values.metrics.port) | quote }}
  per-worker: {{ .Values.metrics.perWorker }}
log:
  format: json
  level: {{ $sensor.logLevel }}
capture:
  interfaces:
    {{- include "bateleur.interfaces" . | nindent 4 }}
  {{- with .Values.capture.workers }}
  workers: {{ . | int }}
  {{- end }}
  {{- with .Values.capture.workerCpus }}
  cpus: {{ . | quote }}
  {{- end }}
  {{- with .Values.capture.managementCpus }}
  management-cpus: {{ . | quote }}
  {{- end }}
  af-xdp:
    ring: {{ .Values.capture.ring | int }}
  af-packet:
    blocks: {{ .Values.capture.blocks | int }}
  drain: {{ $sensor.drain | int }}
  plan: {{ .Values.capture.plan }}
{{- end -}}

{{/* The sink of the mode. */}}
{{- define "bateleur.sink" -}}
{{- if eq .Values.mode "standalone" -}}
lumberjack: {hosts: ["127.0.0.1:{{ int .Values.logstash.port }}"]}
name: logstash
{{- else -}}
{{- $to := index .Values .Values.mode -}}
{{- $kind := dict "logstash" "lumberjack" "opensearch" "http" | dig $to.kind $to.kind -}}
{{- $sink := dict -}}
{{- if eq $to.kind "kafka" -}}
{{- $sink = dict "brokers" $to.hosts "topic" ($to.topic | default "bateleur-{event_type}") -}}
{{- else if eq $to.kind "logstash" -}}
{{- $sink = dict "hosts" $to.hosts -}}
{{- else if eq $to.kind "redis" -}}
{{- $sink = dict "server" (first $to.hosts) "mode" "list" "key" ($to.topic | default "suricata") -}}
{{- else -}}
{{- $sink = dict "urls" $to.hosts "bulk" (dict "index" ($to.topic | default "eve-{event_type}-{yyyy.MM.dd}")) -}}
{{- end -}}
{{- if $to.tls.enabled -}}
{{- $tls := dict -}}
{{- if $to.tls.caSecretName }}{{ $_ := set $tls "ca" (printf "/run/secrets/receiver-ca/%s" $to.tls.caKey) }}{{ end -}}
{{- if $to.tls.certificateSecretName -}}
{{- $_ := set $tls "certificate" (printf "/run/secrets/receiver-certificate/%s" $to.tls.certificateKey) -}}
{{- $_ := set $tls "key" (printf "/run/secrets/receiver-certificate/%s" $to.tls.privateKey) -}}
{{- end -}}
{{- if and $to.tls.serverName (ne $to.kind "kafka") }}{{ $_ := set $tls "server-name" $to.tls.serverName }}{{ end -}}
{{- $_ := set $sink "tls" $tls -}}
{{- end -}}
{{- if $to.auth.username -}}
{{- $password := printf "/run/secrets/receiver-auth/%s" $to.auth.key -}}
{{- if eq $to.kind "kafka" -}}
{{- $_ := set $sink "sasl" (dict "mechanism" "scram-sha-512" "username" $to.auth.username "password-file" $password) -}}
{{- else if ne $to.kind "logstash" -}}
{{- $_ := set $sink "username" $to.auth.username -}}
{{- $_ := set $sink "password-file" $password -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $sink (deepCopy $to.options) -}}
{{ dict $kind $sink "name" $to.kind | toYaml }}
{{- end -}}
{{- end -}}
