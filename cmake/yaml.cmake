kite_pkg_config(yaml yaml-cpp)
