// expect-error: static assertion failed
// expect-error: eddy: the function given to a once_cell must return a future; a plain value goes into set()
#include <eddy/future/ready.hpp>
#include <eddy/sync/once_cell.hpp>

int main() {
    eddy::sync::once_cell<int> cell;
#ifdef EDDY_CONTROL
    auto value = cell.get_or_init([] { return eddy::ready(5); });
#else
    auto value = cell.get_or_init([] { return 5; });
#endif
}
