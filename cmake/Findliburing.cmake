# Finds liburing 2.3 or later, which the io_uring driver requires, as the target liburing::liburing. Installed with
# eddy, because a program that links a static eddy requires it, too.
if(EDDY_LIBURING_INCLUDE_DIR AND NOT EXISTS ${EDDY_LIBURING_INCLUDE_DIR}/liburing.h) # removed since the last run
  unset(EDDY_LIBURING_INCLUDE_DIR CACHE)
  unset(EDDY_LIBURING_LIBRARY CACHE)
endif()
find_path(EDDY_LIBURING_INCLUDE_DIR liburing.h)
find_library(EDDY_LIBURING_LIBRARY uring)
mark_as_advanced(EDDY_LIBURING_INCLUDE_DIR EDDY_LIBURING_LIBRARY)

# Versions before 2.4 do not state their version. io_uring_get_events() was added in 2.3.
if(EDDY_LIBURING_INCLUDE_DIR)
  file(STRINGS ${EDDY_LIBURING_INCLUDE_DIR}/liburing.h liburing_since_2_3 REGEX "io_uring_get_events\\(" LIMIT_COUNT 1)
  if(EXISTS ${EDDY_LIBURING_INCLUDE_DIR}/liburing/io_uring_version.h)
    file(STRINGS ${EDDY_LIBURING_INCLUDE_DIR}/liburing/io_uring_version.h liburing_VERSION REGEX "define IO_URING_VERSION_(MAJOR|MINOR) ")
    string(REGEX REPLACE "[^0-9]+([0-9]+);[^0-9]+([0-9]+)" "\\1.\\2" liburing_VERSION "${liburing_VERSION}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(liburing
  REQUIRED_VARS EDDY_LIBURING_LIBRARY EDDY_LIBURING_INCLUDE_DIR liburing_since_2_3
  REASON_FAILURE_MESSAGE "eddy needs liburing 2.3 or later (Debian: liburing-dev)")

if(liburing_FOUND AND NOT TARGET liburing::liburing)
  add_library(liburing::liburing UNKNOWN IMPORTED)
  set_target_properties(liburing::liburing PROPERTIES
    IMPORTED_LOCATION ${EDDY_LIBURING_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${EDDY_LIBURING_INCLUDE_DIR})
endif()
