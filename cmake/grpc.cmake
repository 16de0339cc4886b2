# pkg-config names the absl libraries behind gRPC as well; -lgrpc++ alone leaves them unresolved.
kite_pkg_config(grpc grpc++ protobuf)
