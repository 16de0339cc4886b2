kite_pkg_config(json nlohmann_json)
