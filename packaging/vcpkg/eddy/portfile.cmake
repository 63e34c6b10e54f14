# An overlay port of the sources that contain it:
#     vcpkg install eddy --overlay-ports=packaging/vcpkg
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS features
  FEATURES tls EDDY_BUILD_TLS
           ws EDDY_BUILD_WS
  INVERTED_FEATURES io-uring CMAKE_DISABLE_FIND_PACKAGE_liburing
                    ws CMAKE_DISABLE_FIND_PACKAGE_ZLIB
                    brotli CMAKE_DISABLE_FIND_PACKAGE_brotli
                    zstd CMAKE_DISABLE_FIND_PACKAGE_zstd) # one of the system must not be used

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${features}
    -DEDDY_BUILD_TESTS=OFF
    -DEDDY_BUILD_EXAMPLES=OFF
    -DEDDY_BUILD_BENCH=OFF
    -DEDDY_BUILD_INSPECT=OFF # the program `eddy` needs fmt and CLI11, the libraries do not
    -DEDDY_INSTALL=ON
    -DCMAKE_DISABLE_FIND_PACKAGE_nghttp2=ON # HTTP/2 is not in this port
  MAYBE_UNUSED_VARIABLES CMAKE_DISABLE_FIND_PACKAGE_liburing)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/eddy)
vcpkg_fixup_pkgconfig()
vcpkg_copy_tools(TOOL_NAMES eddy-check AUTO_CLEAN)
vcpkg_replace_string("${CURRENT_PACKAGES_DIR}/share/eddy/eddyConfig.cmake" [[${PACKAGE_PREFIX_DIR}/bin]] [[${PACKAGE_PREFIX_DIR}/tools/eddy]])
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
