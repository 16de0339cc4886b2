# The registry and the text format only; the HTTP listener on 9091 is ours.
kite_pkg_config(prometheus prometheus-cpp-core)
