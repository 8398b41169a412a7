// Package kafkaenv runs a real Apache Kafka for tests: one node, KRaft, on loopback, with data in a temporary directory.
//
//	srv := kafkaenv.Start(t)                 // skipped where java or mvn are missing, fatal there when CI=true
//	cfg.Brokers = []string{srv.Addr()}
//	srv.Kill()                               // kill -9
//	srv.Restart()                            // same ports, same data
//
// # Where Kafka comes from
//
// The first use asks Maven for org.apache.kafka:kafka_2.13 and what it needs (about 45 MB) and keeps the jars in
// $KEYFEED_TEST_CACHE, or in keyfeed-test below the user's cache directory. A file lock lets several test processes
// share one download; a directory appears there only when it is whole.
//
// # What runs
//
// A JVM of at most 512 MB with a broker and a controller in one process. The plain listener is always there; options add
// a listener with SASL (PLAIN, SCRAM-SHA-256 and -512) and one with TLS. Topics are not created on their own accord.
// Everything ends with the test that started it.
package kafkaenv
