kite_pkg_config(cli11 CLI11)
