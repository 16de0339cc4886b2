kite_pkg_config(protobuf protobuf)
