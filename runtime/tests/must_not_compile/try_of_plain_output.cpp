// try_ unwraps a std::expected. The output of this future is an int.
//
// expect-error: static assertion failed
// expect-error: eddy: try_ takes a std::expected, or a future of one
#include <eddy/task/task.hpp>

#ifdef EDDY_CONTROL
eddy::task<eddy::result<int>> number();
#else
eddy::task<int> number();
#endif

eddy::task<eddy::result<int>> use() { co_return co_await eddy::try_(number()); }
