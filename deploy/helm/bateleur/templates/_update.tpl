{{/* The pod that fetches rules into the store and bundles them, of the Job and of the CronJob. */}}
{{- define "bateleur.updatePod" -}}
metadata:
  labels:
    {{- include "bateleur.labels" (list . "rules-update") | nindent 4 }}
  {{- with include "bateleur.ipPool" . }}
  annotations:
    cni.projectcalico.org/ipv4pools: {{ list . | toJson | squote }}
  {{- end }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "bateleur.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "bateleur.pullSecrets" . | nindent 2 }}
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
      image: {{ include "bateleur.image" (list . "bateleur") }}
      imagePullPolicy: {{ .Values.images.bateleur.pullPolicy }}
      command: [/usr/bin/bateleur]
      args: [rules, update, --config, /etc/bateleur/sensor.yaml]
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
  containers:
    - name: bundle
      image: {{ include "bateleur.image" (list . "bateleur") }}
      imagePullPolicy: {{ .Values.images.bateleur.pullPolicy }}
      command: [/usr/bin/bateleur]
      args: [rules, bundle, --store, /var/lib/bateleur/rules, --key, /run/secrets/signing/rules.key, --out, /var/lib/bateleur/served, --channel, {{ .Values.rules.channel }}]
      securityContext:
        {{- include "bateleur.noRights" . | nindent 8 }}
      resources:
        {{- include "bateleur.guaranteed" .Values.rules.update.resources | nindent 8 }}
      volumeMounts:
        {{- include "bateleur.configurationMounts" . | nindent 8 }}
        - name: store
          mountPath: /var/lib/bateleur
        - name: signing
          mountPath: /run/secrets/signing
          readOnly: true
  volumes:
    {{- include "bateleur.configuration" . | nindent 4 }}
    - name: store
      persistentVolumeClaim: {claimName: {{ include "bateleur.claim" . }}}
    - name: data
      emptyDir: {}
    - name: signing
      secret:
        secretName: {{ .Values.rules.signing.secretName }}
        defaultMode: 0440
        items:
          - {key: {{ .Values.rules.signing.secretKey }}, path: rules.key}
{{- end -}}
