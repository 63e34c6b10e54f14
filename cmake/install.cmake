# `cmake --install`: installs the libraries, their headers, and packages for find_package(eddy) and pkg-config. Components
# can be installed separately: eddy_core, eddy_tls, eddy_fs, eddy_process, eddy_http, eddy_ws and eddy_inspect have one shared
# library each, and eddy_dev has everything that a program needs to be built, also the static libraries.
#
# The libraries, and what each of them links, are known from their own CMakeLists.txt: see eddy_library().
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
include(cmake/sbom.cmake)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eddy)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The packages of others: the target, the arguments of find_package(), the names in messages and for pkg-config, and the
# name, version and license for the SBOM.
set(packages
    "liburing::liburing|liburing|liburing 2.3 (Debian: liburing-dev)|liburing >= 2.3|liburing|${liburing_VERSION}|LGPL-2.1-or-later OR MIT"
    "OpenSSL::SSL|OpenSSL 3|OpenSSL 3 (Debian: libssl-dev)|libssl >= 3, libcrypto >= 3|openssl|${OPENSSL_VERSION}|Apache-2.0"
    "nghttp2::nghttp2|nghttp2 1.50|nghttp2 1.50 (Debian: libnghttp2-dev)|libnghttp2 >= 1.50|nghttp2|${nghttp2_VERSION}|MIT"
    "ZLIB::ZLIB|ZLIB|zlib (Debian: zlib1g-dev)|zlib|zlib|${ZLIB_VERSION_STRING}|Zlib"
    "brotli::brotli|brotli|brotli (Debian: libbrotli-dev)|libbrotlienc, libbrotlidec|brotli|${brotli_VERSION}|MIT"
    "zstd::zstd|zstd 1.4|zstd 1.4 (Debian: libzstd-dev)|libzstd >= 1.4|zstd|${zstd_VERSION}|BSD-3-Clause")

# The files of pkg-config find the other files from their own place, so that an installed eddy can be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
  set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  file(RELATIVE_PATH up /${pc_dir} /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(pc_prefix "\${pcfiledir}/${up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

set(config_parts) # what eddyConfig.cmake must know about the libraries
get_property(targets GLOBAL PROPERTY EDDY_TARGETS)
foreach(target IN LISTS targets)
  # Each has its own file of targets, which find_package() reads only if it finds what the library needs. The libraries without
  # sources need nothing, and are in the file of eddy::eddy.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    install(TARGETS ${target} EXPORT eddy_targets FILE_SET HEADERS COMPONENT eddy_dev FILE_SET detail COMPONENT eddy_dev)
    continue()
  endif()
  string(REGEX REPLACE "^eddy$" eddy_core component ${target})
  install(TARGETS ${target} EXPORT ${target}_targets
          RUNTIME COMPONENT ${component} LIBRARY COMPONENT ${component} NAMELINK_COMPONENT eddy_dev ARCHIVE COMPONENT eddy_dev
          FILE_SET HEADERS COMPONENT eddy_dev FILE_SET detail COMPONENT eddy_dev)
  install(EXPORT ${target}_targets NAMESPACE eddy:: DESTINATION ${package_dir} COMPONENT eddy_dev)

  # The libraries that it is based on: eddy::eddy, and those that it links.
  string(REPLACE _ - pc_name ${target})
  eddy_spdx_package(${pc_name} ${PROJECT_VERSION} MIT)
  eddy_spdx_relation(DOCUMENT DESCRIBES ${pc_name})
  get_target_property(links ${target} LINK_LIBRARIES)
  set(bases)
  set(pc_requires)
  foreach(link IN ITEMS eddy LISTS links)
    if(link IN_LIST compiled AND NOT link IN_LIST bases)
      list(APPEND bases ${link})
      string(REPLACE _ - pc_base ${link})
      list(APPEND pc_requires "${pc_base} = ${PROJECT_VERSION}")
      eddy_spdx_relation(${pc_name} DEPENDS_ON ${pc_base})
    endif()
  endforeach()
  list(APPEND compiled ${target})

  # The packages that it links. A program that links a static library links them, too. A shared library does that itself, but
  # the file of targets of eddy::tls always names OpenSSL.
  set(needed)
  set(pc_private)
  foreach(row IN LISTS packages)
    string(REPLACE "|" ";" row "${row}")
    list(POP_FRONT row link find called pc spdx version license)
    if(NOT link IN_LIST links)
      continue()
    endif()
    eddy_spdx_package(${spdx} "${version}" ${license})
    eddy_spdx_relation(${pc_name} DEPENDS_ON ${spdx})
    if(NOT type STREQUAL "SHARED_LIBRARY")
      list(APPEND pc_requires ${pc})
    elseif(link STREQUAL "OpenSSL::SSL")
      set(pc_private "\nRequires.private: ${pc}")
    else()
      continue()
    endif()
    list(APPEND needed "${find}|${called}")
    if(EXISTS ${PROJECT_SOURCE_DIR}/cmake/Find${spdx}.cmake)
      install(FILES cmake/Find${spdx}.cmake DESTINATION ${package_dir} COMPONENT eddy_dev)
    endif()
  endforeach()
  string(APPEND config_parts "list(APPEND eddy_parts ${target})\nset(${target}_bases ${bases})\nset(${target}_needs \"${needed}\")\n")

  # pkg-config does not know which kind of library is installed, so what a static one needs is required by every program.
  list(JOIN pc_requires ", " pc_requires)
  string(REGEX REPLACE "(.+)" " \\1" pc_requires "${pc_requires}")
  get_target_property(pc_description ${target} EDDY_DESCRIPTION)
  set(pc_threads)
  set(pc_gc_option)
  set(pc_definitions)
  if(NOT bases)
    if(type STREQUAL "STATIC_LIBRARY" AND eddy_gc_option)
      set(pc_gc_option " -Wl,${eddy_gc_option}")
    endif()
    if(EDDY_NO_THREADS)
      set(pc_definitions " -DEDDY_NO_THREADS")
    else()
      set(pc_threads " -pthread")
    endif()
    if(EDDY_CHECKS AND NOT EDDY_CHECKS STREQUAL "AUTO")
      string(APPEND pc_definitions " -DEDDY_CHECKS=1 -D_GLIBCXX_ASSERTIONS")
    endif()
  endif()
  configure_file(cmake/eddy.pc.in ${PROJECT_BINARY_DIR}/${pc_name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${pc_name}.pc DESTINATION ${pc_dir} COMPONENT eddy_dev)
endforeach()
add_custom_target(eddy_libraries DEPENDS ${compiled})
if(TARGET eddy_module)
  install(TARGETS eddy_module EXPORT eddy_module_targets ARCHIVE COMPONENT eddy_dev
          FILE_SET CXX_MODULES DESTINATION ${CMAKE_INSTALL_LIBDIR}/eddy/modules COMPONENT eddy_dev)
  install(EXPORT eddy_module_targets NAMESPACE eddy:: DESTINATION ${package_dir} CXX_MODULES_DIRECTORY modules COMPONENT eddy_dev)
endif()
if(TARGET eddy_program)
  find_package(fmt QUIET)
  find_package(CLI11 QUIET)
  eddy_spdx_package(eddy-program ${PROJECT_VERSION} MIT APPLICATION)
  eddy_spdx_package(fmt "${fmt_VERSION}" MIT)
  eddy_spdx_package(CLI11 "${CLI11_VERSION}" BSD-3-Clause)
  eddy_spdx_relation(DOCUMENT DESCRIBES eddy-program)
  eddy_spdx_relation(eddy-program DEPENDS_ON fmt)
  eddy_spdx_relation(eddy-program DEPENDS_ON CLI11)
endif()
eddy_spdx_write(${PROJECT_BINARY_DIR}/eddy.spdx.json)
install(FILES ${PROJECT_BINARY_DIR}/eddy.spdx.json TYPE DOC COMPONENT eddy_dev)

configure_package_config_file(
  cmake/eddyConfig.cmake.in ${PROJECT_BINARY_DIR}/eddyConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_BINDIR
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0, a minor version may contain incompatible changes.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eddyConfig.cmake ${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake cmake/eddy_check.cmake
        DESTINATION ${package_dir} COMPONENT eddy_dev)
install(PROGRAMS tools/eddy-check TYPE BIN COMPONENT eddy_dev)
# The program that shows the tasks of others, and its commands for gdb. gdb loads them by itself with a shared library below
# /usr: see inspect/docs/inspect.md.
if(TARGET eddy_program)
  install(TARGETS eddy_program RUNTIME COMPONENT eddy_dev)
endif()
install(FILES inspect/gdb/eddy-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/eddy COMPONENT eddy_dev)
get_target_property(type eddy TYPE)
if(type STREQUAL "SHARED_LIBRARY" AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(folder ${CMAKE_INSTALL_LIBDIR})
  if(NOT IS_ABSOLUTE ${folder})
    set(folder "\${CMAKE_INSTALL_PREFIX}/${folder}") # that of `cmake --install`
  endif()
  install(FILES inspect/gdb/eddy-gdb.py DESTINATION "${CMAKE_INSTALL_DATADIR}/gdb/auto-load/${folder}"
          RENAME $<TARGET_FILE_NAME:eddy>-gdb.py COMPONENT eddy_dev)
endif()
install(FILES LICENSE TYPE DOC COMPONENT eddy_dev)
# The pages are in one folder there, so links between them lose their folders, and links to files outside become plain text.
file(GLOB pages docs/*.md */docs/*.md)
foreach(page IN LISTS pages)
  cmake_path(GET page FILENAME name)
  file(READ ${page} text)
  string(REGEX REPLACE "\\]\\(([a-z./]*/)?docs/([a-zA-Z_-]+\\.md)" "](\\2" text "${text}")
  string(REGEX REPLACE "\\[([^]]*)\\]\\([.][.]/[^)]*\\)" "\\1" text "${text}")
  file(WRITE ${PROJECT_BINARY_DIR}/pages/${name} "${text}")
endforeach()
install(DIRECTORY ${PROJECT_BINARY_DIR}/pages/ TYPE DOC COMPONENT eddy_dev)
install(DIRECTORY docs/ TYPE DOC COMPONENT eddy_dev FILES_MATCHING PATTERN "*.svg")
