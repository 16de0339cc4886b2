kite_pkg_config(rdkafka rdkafka)
