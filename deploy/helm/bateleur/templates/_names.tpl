{{/* Names of objects, labels and images. */}}

{{- define "bateleur.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "bateleur.fullname" -}}
{{- $name := include "bateleur.name" . -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $made | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "bateleur.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "bateleur.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "bateleur.claim" -}}
{{- .Values.rules.volume.existingClaim | default (printf "%s-rules" (include "bateleur.fullname" .)) -}}
{{- end -}}

{{- define "bateleur.ipPool" -}}
{{- $events := printf "%s-events" (include "bateleur.fullname" .) -}}
{{- .Values.eventNetwork.ipPool.name | default (ternary $events "" .Values.eventNetwork.ipPool.create) -}}
{{- end -}}

{{/* What selects pods of a part: (list . "sensor"). */}}
{{- define "bateleur.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "bateleur.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name | trunc 63 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "bateleur.labels" -}}
{{- $root := index . 0 -}}
{{ include "bateleur.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The start of every object's metadata: (list . NAME PART [ANNOTATIONS]). */}}
{{- define "bateleur.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
labels:
  {{- include "bateleur.labels" (list $root (index . 2)) | nindent 2 }}
{{- $own := dict -}}
{{- if gt (len .) 3 }}{{ $own = index . 3 | default dict }}{{ end -}}
{{- with merge (deepCopy $own) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: (list . "logstash"). */}}
{{- define "bateleur.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}
