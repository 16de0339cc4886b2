kite_pkg_config(spdlog spdlog)
