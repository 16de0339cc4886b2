kite_pkg_config(gtest gtest_main gmock)
