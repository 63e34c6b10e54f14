// sync(2) is a function at the top of a file, so a namespace there cannot have its name.
//
// expect-error-gcc: redeclared as different kind of entity
// expect-error-clang: as different kind of symbol
#include <unistd.h>

#include <eddy/names.hpp>

#ifdef EDDY_CONTROL
namespace esync = eddy::esync;
#else
namespace sync = eddy::sync;
#endif
