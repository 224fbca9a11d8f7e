{{/* The pod that fetches rules into the store, bundles them and has them rolled out, of the Job and of the CronJob. */}}
{{- define "bateleur.updatePod" -}}
{{- $staged := .Values.rules.rollout.enabled -}}
metadata:
  labels:
    {{- include "bateleur.labels" (list . "rules-update") | nindent 4 }}
  {{- with include "bateleur.pools" . | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "bateleur.serviceAccount" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "bateleur.pullSecrets" . | trim }}{{ . | nindent 2 }}{{ end }}
  {{- with .Values.rules.server.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.rules.server.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "bateleur.podSecurity" . | nindent 4 }}
  {{- if and (eq .Values.rules.source "server") (ne .Values.rules.volume.accessMode "ReadWriteMany") }}
  # A volume of one node: there where the server is.
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "bateleur.selector" (list . "rules-server") | nindent 14 }}
  {{- end }}
  initContainers:
    # What does not pass the test stays out; what was there before stays in force.
    - name: update
      image: {{ include "bateleur.image" (list . "bateleur") | quote }}
      imagePullPolicy: {{ .Values.images.bateleur.pullPolicy }}
      command: [/usr/bin/bateleur]
      args: [rules, update, --config, /etc/bateleur/sensor.yaml]
      {{- with include "bateleur.fetching" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "bateleur.noRights" . | nindent 8 }}
      resources:
        {{- include "bateleur.guaranteed" .Values.rules.update.resources | nindent 8 }}
      volumeMounts:
        {{- include "bateleur.configurationMounts" . | nindent 8 }}
        - name: store
          mountPath: /var/lib/bateleur
        - name: data
          mountPath: /var/lib/bateleur/data
        {{- if .Values.rules.update.secretName }}
        - name: sources
          mountPath: /run/secrets/sources
          readOnly: true
        {{- end }}
        {{- with include "bateleur.fetchingMounts" . | trim }}{{ . | nindent 8 }}{{ end }}
  {{- if $staged }}
    {{- include "bateleur.bundling" . | nindent 4 }}
  containers:
    # Which sensors get the bundle when.
    - name: rollout
      image: {{ include "bateleur.image" (list . "runner") | quote }}
      imagePullPolicy: {{ .Values.images.runner.pullPolicy }}
      command: [sh, /etc/bateleur-rollout/rollout.sh]
      env:
        {{- $plan := .Values.rules.rollout }}
        {{- range $name, $value := dict "STORE" "/var/lib/bateleur/rules"
            "SERVER" (printf "%s-rules" (include "bateleur.fullname" .)) "PORT" (int .Values.rules.server.port)
            "CHANNEL" .Values.rules.channel "STAGES" (join "," $plan.stages) "SOAK" (int $plan.soak)
            "FAILURES" (int $plan.failures) "SILENCE" (int $plan.silence) "WAIT" (int $plan.wait) "PATIENCE" 300
            "TOKEN" (ternary "/run/secrets/rules-token/token" "" (ne .Values.rules.token.secretName "")) }}
        - {name: {{ $name }}, value: {{ $value | toString | quote }}}
        {{- end }}
      securityContext:
        {{- include "bateleur.noRights" . | nindent 8 }}
      resources:
        {{- include "bateleur.guaranteed" (dict "cpu" "100m" "memory" "64Mi") | nindent 8 }}
      volumeMounts:
        - name: rollout
          mountPath: /etc/bateleur-rollout
          readOnly: true
        - name: store
          mountPath: /var/lib/bateleur
          readOnly: true
        {{- with include "bateleur.tokenMount" . | trim }}{{ . | nindent 8 }}{{ end }}
  {{- else }}
  containers:
    {{- include "bateleur.bundling" . | nindent 4 }}
  {{- end }}
  volumes:
    - name: configuration
      configMap: {name: {{ include "bateleur.fullname" . }}-rules-update}
    {{- with include "bateleur.ownRules" . | trim }}{{ . | nindent 4 }}{{ end }}
    - name: store
      persistentVolumeClaim: {claimName: {{ include "bateleur.claim" . | quote }}}
    - name: data
      emptyDir: {sizeLimit: 1Gi}
    - name: signing
      secret:
        secretName: {{ .Values.rules.signing.secretName | quote }}
        defaultMode: 0440
        items:
          - {key: {{ .Values.rules.signing.secretKey | quote }}, path: rules.key}
          {{- with .Values.rules.signing.passwordKey }}
          - {key: {{ . | quote }}, path: password}
          {{- end }}
    {{- with .Values.rules.update.secretName }}
    - name: sources
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with include "bateleur.fetchingVolumes" . | trim }}{{ . | nindent 4 }}{{ end }}
    {{- if $staged }}
    - name: rollout
      configMap:
        name: {{ include "bateleur.fullname" . }}-rules-update
        items: [{key: rollout.sh, path: rollout.sh}]
    {{- with include "bateleur.tokenVolume" . | trim }}{{ . | nindent 4 }}{{ end }}
    {{- end }}
{{- end -}}

{{/* In stages the channel does not name the bundle before its roll-out is over. */}}
{{- define "bateleur.bundling" -}}
{{- $arguments := list "rules" "bundle" "--store" "/var/lib/bateleur/rules" "--key" "/run/secrets/signing/rules.key"
    "--out" "/var/lib/bateleur/served" "--prune" (toString (int .Values.rules.bundles)) -}}
{{- if .Values.rules.signing.passwordKey -}}
{{- $arguments = concat $arguments (list "--password-file" "/run/secrets/signing/password") -}}
{{- end -}}
{{- if not .Values.rules.rollout.enabled }}{{ $arguments = concat $arguments (list "--channel" .Values.rules.channel) }}{{ end -}}
- name: bundle
  image: {{ include "bateleur.image" (list . "bateleur") | quote }}
  imagePullPolicy: {{ .Values.images.bateleur.pullPolicy }}
  command: [/usr/bin/bateleur]
  args: {{ toJson $arguments }}
  securityContext:
    {{- include "bateleur.noRights" . | nindent 4 }}
  resources:
    {{- include "bateleur.guaranteed" .Values.rules.update.resources | nindent 4 }}
  volumeMounts:
    - name: store
      mountPath: /var/lib/bateleur
    - name: signing
      mountPath: /run/secrets/signing
      readOnly: true
{{- end -}}
