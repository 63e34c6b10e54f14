# `cmake --install`: installs the library, its headers, and a package for find_package(eddy).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eddy)

install(TARGETS eddy EXPORT eddy_targets FILE_SET HEADERS FILE_SET detail)
install(TARGETS eddy_proto EXPORT eddy_targets FILE_SET HEADERS)
install(EXPORT eddy_targets NAMESPACE eddy:: DESTINATION ${package_dir})

# eddy::tls has its own file of targets, which is read only if OpenSSL is found.
set(eddy_has_tls FALSE)
if(TARGET eddy_tls)
  set(eddy_has_tls TRUE)
  install(TARGETS eddy_tls EXPORT eddy_tls_targets FILE_SET HEADERS)
  install(EXPORT eddy_tls_targets NAMESPACE eddy:: DESTINATION ${package_dir})
endif()

# eddy::http has its own file of targets, too.
set(eddy_has_http FALSE)
if(TARGET eddy_http)
  set(eddy_has_http TRUE)
  install(TARGETS eddy_http EXPORT eddy_http_targets FILE_SET HEADERS)
  install(EXPORT eddy_http_targets NAMESPACE eddy:: DESTINATION ${package_dir})
endif()

# A shared eddy links liburing itself. A program that links a static eddy must link liburing, too.
get_target_property(eddy_type eddy TYPE)
if(liburing_FOUND AND NOT eddy_type STREQUAL "SHARED_LIBRARY")
  set(eddy_needs_liburing TRUE)
else()
  set(eddy_needs_liburing FALSE)
endif()
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/eddyConfig.cmake.in ${PROJECT_BINARY_DIR}/eddyConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_BINDIR
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0, a minor version may contain incompatible changes.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eddyConfig.cmake ${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake
        DESTINATION ${package_dir})
install(FILES ${CMAKE_CURRENT_LIST_DIR}/eddy_check.cmake DESTINATION ${package_dir})
install(PROGRAMS ${PROJECT_SOURCE_DIR}/tools/eddy-check TYPE BIN)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ TYPE DOC FILES_MATCHING PATTERN "*.md")
if(eddy_needs_liburing)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/Findliburing.cmake DESTINATION ${package_dir})
endif()
