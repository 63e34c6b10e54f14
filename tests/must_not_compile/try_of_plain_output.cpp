// try_ unwraps expecteds, and a future of an int is none.
//
// expect-error: static assertion failed
// expect-error: eddy: try_ takes a std::expected, or a future of one
#include <eddy/task.hpp>

#ifdef EDDY_CONTROL
eddy::task<eddy::result<int>> number();
#else
eddy::task<int> number();
#endif

eddy::task<eddy::result<int>> use() { co_return co_await eddy::try_(number()); }
