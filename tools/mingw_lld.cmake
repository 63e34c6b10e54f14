# GNU ld takes a minute for a group of tests, LLD less than a second. This GCC always starts GNU ld, so the rule starts LLD
# with the files and libraries that GCC passes to its linker.
find_program(MINGW_LLD NAMES ld.lld-19 ld.lld NO_CMAKE_FIND_ROOT_PATH)
if(MINGW_LLD)
  foreach(file IN ITEMS crt2.o crtbegin.o crtend.o)
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${file} OUTPUT_VARIABLE ${file} OUTPUT_STRIP_TRAILING_WHITESPACE)
  endforeach()
  cmake_path(GET crtbegin.o PARENT_PATH folder)
  cmake_path(GET crt2.o PARENT_PATH other_folder)
  set(system_libraries "-lmingw32 -lgcc -lgcc_eh -lmoldname -lmingwex -lmsvcrt -lpthread -ladvapi32 -lshell32 -luser32 -lkernel32")
  set(CMAKE_CXX_LINK_EXECUTABLE
      "${MINGW_LLD} -m i386pep -Bstatic --allow-multiple-definition --stack 8388608 -o <TARGET> ${crt2.o} ${crtbegin.o} \
-L${folder} -L${other_folder} <OBJECTS> <LINK_LIBRARIES> -lstdc++ ${system_libraries} ${system_libraries} ${crtend.o}")
endif()
