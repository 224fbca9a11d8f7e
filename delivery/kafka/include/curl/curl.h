/* Stands in for libcurl's header, which librdkafka 2.12 includes even when it is built without
 * libcurl: see docs/decisions/0010-kafka-client.md. Nothing of libcurl is used. */
