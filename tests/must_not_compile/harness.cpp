// The harness's own test, and the pattern for the other files. The macros other than EDDY_CONTROL are for the tests in
// CMakeLists.txt that check that the harness can fail.
//
// expect-error: static assertion failed
// expect-error: a future must have an output_type
// expect-error-clang: due to requirement
#include <cstddef>

template <class T>
void poll(T) {
    // Depends on T, so that the test also shows that templates are instantiated.
    static_assert(sizeof(T) > 1, "a future must have an output_type");
}

int main() {
#if defined(EDDY_CONTROL) && !defined(THE_CONTROL_IS_BROKEN) || defined(IT_COMPILES)
    poll(1);
#elif defined(THE_TEXT_DIFFERS)
    poll();
#else
    poll('1');
#endif
}
