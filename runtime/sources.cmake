# Sets eddy_sources: the files of src/ for CMAKE_SYSTEM_NAME, with or without liburing (liburing_FOUND) and threads
# (EDDY_NO_THREADS). tools/amalgamate.py runs this file, too.
include(${CMAKE_CURRENT_LIST_DIR}/../cmake/library.cmake)
eddy_sources(eddy_sources)

# Removes files, named relative to src/.
function(remove_parts)
  list(TRANSFORM ARGN PREPEND src/)
  list(REMOVE_ITEM eddy_sources ${ARGN})
  set(eddy_sources ${eddy_sources} PARENT_SCOPE)
endfunction()

# What needs threads, or its replacement: see src/no_threads/executor/pool/pool.hpp.
if(EDDY_NO_THREADS)
  list(FILTER eddy_sources EXCLUDE REGEX "^src/executor/(blocking|pool)/|/word_wait.cpp$")
  remove_parts(executor/local/local_pool.cpp executor/loop/core_thread.cpp executor/runtime.cpp executor/reports/dump_on_signal.cpp executor/reports/poll_reader.cpp executor/reports/stall_reporter.cpp executor/reports/stall_watchdog.cpp executor/reports/suspected_deadlocks.cpp reactor/background_reactor.cpp sys/thread.cpp)
else()
  remove_parts(no_threads/no_threads.cpp)
endif()

# The drivers of other systems.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  remove_parts(reactor/drivers/afd.cpp reactor/drivers/kqueue.cpp)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  remove_parts(reactor/drivers/epoll.cpp reactor/drivers/kqueue.cpp reactor/drivers/poll_driver.cpp reactor/drivers/wake_pipe.cpp)
else()
  remove_parts(reactor/drivers/afd.cpp reactor/drivers/epoll.cpp)
endif()

# The io_uring driver, or its replacement.
if(liburing_FOUND)
  remove_parts(reactor/ring/no_uring.cpp)
else()
  remove_parts(reactor/ring/ring.cpp reactor/ring/ring_buffers.cpp reactor/ring/ring_sends.cpp reactor/ring/ring_support.cpp
      reactor/ring/uring.cpp)
endif()
