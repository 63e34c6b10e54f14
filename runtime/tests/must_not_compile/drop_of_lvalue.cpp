// expect-error: static assertion failed
// expect-error: eddy: drop takes ownership of its object: write eddy::drop(std::move(x))
// only-error
// covers: I20.3.6
#include <eddy/drop.hpp>
#include <eddy/sync/mpsc.hpp>

void use(eddy::sync::mpsc<int>::sender tx) {
#ifdef EDDY_CONTROL
    eddy::drop(std::move(tx));
#else
    eddy::drop(tx);
#endif
}
