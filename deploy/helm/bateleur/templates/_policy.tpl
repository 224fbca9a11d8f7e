{{/* Who may talk with whom on the event network: said once, rendered as Kubernetes' or Calico's. */}}

{{/* Ways of a part: a YAML map of `in` and `out`, lists of {namespace, labels, cidrs, ports}. */}}
{{- define "bateleur.ways" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $policy := $root.Values.eventNetwork.policy -}}
{{- $dns := dict "namespace" $policy.dns.namespace "labels" $policy.dns.labels
    "ports" (list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP")) -}}
{{- $in := list -}}
{{- $out := list -}}
{{- if eq $part "sensor" -}}
{{- $in = append $in (dict "namespace" $policy.monitoringNamespace
    "ports" (list (dict "port" $root.Values.metrics.port "protocol" "TCP"))) -}}
{{- $out = append $out $dns -}}
{{- if eq $root.Values.mode "standalone" -}}
{{- $search := $root.Values.logstash.search -}}
{{- $out = append $out (dict "namespace" (ternary "" $search.namespace (gt (len $search.cidrs) 0))
    "labels" $search.labels "cidrs" $search.cidrs "ports" (list (dict "port" $search.port "protocol" "TCP"))) -}}
{{- else -}}
{{- $to := index $root.Values $root.Values.mode -}}
{{- $ports := list -}}
{{- range $to.ports }}{{ $ports = append $ports (dict "port" . "protocol" "TCP") }}{{ end -}}
{{- $out = append $out (dict "namespace" ($to.namespace | default "") "labels" ($to.labels | default dict)
    "cidrs" ($to.cidrs | default list) "ports" $ports) -}}
{{- end -}}
{{- if eq $root.Values.rules.source "server" -}}
{{- $out = append $out (dict "labels" (include "bateleur.selector" (list $root "rules-server") | fromYaml)
    "ports" (list (dict "port" $root.Values.rules.server.port "protocol" "TCP"))) -}}
{{- end -}}
{{- $out = concat $out $policy.extraEgress -}}
{{- else if eq $part "rules-server" -}}
{{- $in = append $in (dict "labels" (include "bateleur.selector" (list $root "sensor") | fromYaml)
    "ports" (list (dict "port" $root.Values.rules.server.port "protocol" "TCP"))) -}}
{{- else -}}
{{- $ports := list -}}
{{- range $root.Values.rules.update.ports }}{{ $ports = append $ports (dict "port" . "protocol" "TCP") }}{{ end -}}
{{- $out = append $out $dns -}}
{{- $out = append $out (dict "cidrs" ($root.Values.rules.update.cidrs | default (list "0.0.0.0/0" "::/0")) "ports" $ports) -}}
{{- end -}}
{{- dict "in" $in "out" $out | toYaml -}}
{{- end -}}

{{/* The parts that this release has. */}}
{{- define "bateleur.parts" -}}
{{- $parts := list -}}
{{- if not .Values.capture.hostNetwork }}{{ $parts = append $parts "sensor" }}{{ end -}}
{{- if eq .Values.rules.source "server" }}{{ $parts = append $parts "rules-server" }}{{ end -}}
{{- if has .Values.rules.source (list "pvc" "server") }}{{ $parts = append $parts "rules-update" }}{{ end -}}
{{- $parts | toJson -}}
{{- end -}}

{{/* The other side, as networking.k8s.io has it. */}}
{{- define "bateleur.peers" -}}
{{- if .cidrs }}
{{- range .cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else }}
- podSelector:
    matchLabels: {{ .labels | default dict | toJson }}
  {{- with .namespace }}
  namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The other side, as Calico has it, without the ports of a destination. */}}
{{- define "bateleur.calicoPeer" -}}
{{- if .cidrs -}}
nets: {{ .cidrs | toJson }}
{{- else -}}
{{- $words := list -}}
{{- range $key, $value := .labels | default dict }}{{ $words = append $words (printf "%s == '%s'" $key $value) }}{{ end -}}
selector: {{ join " && " $words | default "all()" | quote }}
{{- with .namespace | default .own }}
namespaceSelector: {{ printf "kubernetes.io/metadata.name == '%s'" . | quote }}
{{- end }}
{{- end -}}
{{- end -}}
