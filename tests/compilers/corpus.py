# SPDX-License-Identifier: MIT
"""The corpus: small coroutines, each with what it must do. A case is an expression with co_await at a place in a
coroutine, or a program of its own (SPECIAL). run.py compiles and runs them; check_test.py runs eddy-check on them."""
import collections

# name: what run.py and the reports call it; form, place: its row and column in docs/compilers.md
# body: the coroutine; yes, no: the calls that it must make and the value that it must return with flag = true, false
Case = collections.namedtuple("Case", "name form place code yes no")

# ---- Expressions ----

# name: (type, expression, (calls, value) with flag = true, (calls, value) with flag = false)
FORMS = {
    "await": ("int", "co_await take(item(1))", ("t", 1), ("t", 1)),
    "conditional": ("int", "flag ? co_await f(1) : co_await g(2)", ("f", 1), ("g", 2)),
    "conditional_one": ("int", "flag ? 1 : co_await take(item(2))", ("", 1), ("t", 2)),
    "comma": ("int", "(note('c'), co_await f(1))", ("cf", 1), ("cf", 1)),
    "and": ("bool", "flag && co_await take(item(1))", ("t", 1), ("", 0)),
    "or": ("bool", "!flag || co_await yes()", ("y", 1), ("", 1)),
    "and_or": ("bool", "(flag && co_await yes()) || co_await no()", ("y", 1), ("n", 0)),
    "await_of_conditional": ("int", "co_await (flag ? f(1) : g(2))", ("f", 1), ("g", 2)),
    "conditional_argument": ("int", "co_await take(flag ? item(1) : item(2))", ("t", 1), ("t", 2)),
    "conditional_class": ("int", "(flag ? co_await fi(1) : co_await gi(2)).get()", ("f", 1), ("g", 2)),
    "aggregate_argument": ("int", "co_await take_record({item(1), 2})", ("t", 1), ("t", 1)),
    "aggregate_of_await": ("int", "use_record({co_await fi(1), 2})", ("f", 1), ("f", 1)),
    "closure": ("int", "co_await call([i = item(1)] { return i.get(); })", ("t", 1), ("t", 1)),
    "closure_trivial": ("int", "co_await call([n = 1] { return n; })", ("t", 1), ("t", 1)),
}

# ---- Places ----

same = lambda value: value
truth = lambda value: int(bool(value))
one = lambda value: 1

# name: (types, coroutine, what it returns for the value of the expression). Without "keep", the coroutine has no local
# variable.
PLACES = {
    "variable": ("any", "auto x = {E}; co_return x;", same),
    "variable_class": ("int", "item x({E}); co_return x.get();", same),
    "variable_long": ("any", "long x = {E}; co_return x;", same),
    "variable_reference": ("int", "const int& x = {E}; co_return x;", same),
    "assign": ("any", "int x = 0; x = {E}; co_return x;", same),
    "assign_add": ("any", "int x = 0; x += {E}; co_return x;", same),
    "statement": ("any", "int keep = 1; {E}; co_return keep;", one),
    "statement_void": ("any", "int keep = 1; (void)({E}); co_return keep;", one),
    "return": ("any", "co_return {E};", same),
    "argument": ("any", "int x = use({E}); co_return x;", same),
    "argument_class": ("int", "int x = use_item({E}); co_return x;", same),
    "operand": ("int", "int x = 0 + ({E}); co_return x;", same),
    "argument_of_await": ("int", "int x = co_await later(use({E})); co_return x;", same),
    "if": ("any", "int keep = 1; if ({E}) co_return keep; co_return 0;", truth),
    "if_no_local": ("any", "if ({E}) co_return 1; co_return 0;", truth),
    "if_not": ("any", "int keep = 1; if (!({E})) co_return 0; co_return keep;", truth),
    "if_variable": ("any", "if (auto x = {E}; x) co_return 1; co_return 0;", truth),
    "if_declares": ("any", "if (auto x = {E}) co_return 1; co_return 0;", truth),
    "while": ("any", "int x = 0; while ({E}) { x = 1; break; } co_return x;", truth),
    "while_no_local": ("any", "while ({E}) { sink = 1; break; } co_return sink;", truth),
    "while_declares": ("any", "while (auto x = {E}) { sink = 1; break; } co_return sink;", truth),
    "for": ("any", "int x = 0; for (; {E};) { x = 1; break; } co_return x;", truth),
    "for_no_local": ("any", "for (; {E};) { sink = 1; break; } co_return sink;", truth),
    "do": ("any", "int n = 0; do { if (n++ == 1) co_return 1; } while ({E}); co_return 0;", truth),
    "do_no_local": ("any", "do { if (sink++ == 1) co_return 1; } while ({E}); co_return 0;", truth),
    "switch": ("int", "int keep = 1; switch ({E}) { case 1: co_return keep; case 2: co_return 2; default: co_return 9; }", same),
    "switch_no_local": ("int", "switch ({E}) { case 1: co_return 1; case 2: co_return 2; default: co_return 9; }", same),
    "range_for": ("int", "int s = 0; for (int x : ints({E})) s = x; co_return s;", same),
    "throw": ("int", "int keep = 0; try { throw item({E}); } catch (const item& x) { keep = x.get(); } co_return keep;", same),
    "throw_number": ("int", "int keep = 0; try { throw {E}; } catch (int x) { keep = x; } co_return keep;", same),
    "aggregate": ("int", "record x{item({E}), 2}; co_return x.a.get();", same),
    "push_back_braces": ("int", "std::vector<record> v; v.push_back({{E}, 2}); co_return v.at(0).a.get();", same),
    "capture": ("any", "auto x = [i = {E}] { return i; }; co_return x();", same),
    "subscript": ("int", "int a[] = {0, 1, 2, 3}; int x = a[({E})]; co_return x;", same),
}

# ---- Cases of their own ----

# name: (form, place, coroutine or declarations and a coroutine, (calls, value), (calls, value)). The coroutine returns an
# int. {W} is its declaration.
SPECIAL = {
    # Correct with every compiler: these must not be reported.
    "await_string_argument": ("await", "other", "{W} { int x = co_await take_string(std::string(31, 'x')); co_return x; }", ("t", 1), ("t", 1)),
    "await_conditional_number": ("await", "other", "{W} { int x = co_await f(flag ? 1 : 2); co_return x; }", ("f", 1), ("f", 2)),
    "await_in_condition_of_conditional": ("await", "other", "{W} { co_return co_await f(flag) ? 1 : 2; }", ("f", 1), ("f", 2)),
    "await_left_of_and": ("await", "other", "{W} { co_return co_await yes() && flag; }", ("y", 1), ("y", 0)),
    "await_named": ("await", "other", "{W} { auto t = call([i = item(1)] { return i.get(); }); int x = co_await t; co_return x; }", ("t", 1), ("t", 1)),
    "await_named_closure": ("await", "other", "{W} { auto c = [i = item(1)] { return i.get(); }; int x = co_await call(std::move(c)); co_return x; }", ("t", 1), ("t", 1)),
    "await_named_aggregate": ("await", "other", "{W} { record r{item(1), 2}; int x = co_await take_record(std::move(r)); co_return x; }", ("t", 1), ("t", 1)),
    "await_named_vector": ("await", "other", "{W} { std::vector<item> v{item(1), item(2)}; int x = co_await take_items(std::move(v)); co_return x; }", ("t", 1), ("t", 1)),
    "await_trivial_aggregate": ("await", "other", "{W} { int x = co_await take_plain({1, 2}); co_return x; }", ("t", 1), ("t", 1)),
    "await_twice": ("await", "other", "{W} { co_return co_await take(item(co_await g(1))) + co_await f(0); }", ("gtf", 1), ("gtf", 1)),
    "await_and_without_await_right": ("await", "other", "{W} { int x = co_await f(1 + (flag && alive >= 0)); co_return x; }", ("f", 2), ("f", 1)),
    "await_branches_as_statements": ("await", "other", "{W} { int x = 0; if (flag) x = co_await f(1); else x = co_await g(2); co_return x; }", ("f", 1), ("g", 2)),
    "await_pair": ("await", "other", "{W} { auto p = std::pair<item, int>(co_await fi(1), 2); co_return p.first.get(); }", ("f", 1), ("f", 1)),
    "await_pair_braces": ("await", "other", "{W} { co_return std::pair<item, int>{co_await fi(1), 2}.first.get(); }", ("f", 1), ("f", 1)),
    "await_make_unique": ("await", "other", "{W} { co_return *std::make_unique<int>(co_await f(1)); }", ("f", 1), ("f", 1)),
    "await_structured_aggregate": ("await", "other", "task<plain> p() { co_return plain{1, 2}; } {W} { auto [a, b] = co_await p(); co_return a; }", ("", 1), ("", 1)),
    "await_range_for_body": ("await", "other", "{W} { int s = 0; for (auto [a, b] : std::vector<std::pair<int, int>>(1, {1, 2})) s += co_await f(a); co_return s; }", ("f", 1), ("f", 1)),
    "await_if_local_inside": ("await", "other", "{W} { if (co_await yes()) { int y = 1; co_return y; } co_return 0; }", ("y", 1), ("y", 1)),
    "await_if_closure": ("await", "other", "{W} { if (co_await call([] { return 1; })) co_return 1; co_return 0; }", ("t", 1), ("t", 1)),
    "await_conditional_reference": ("await", "other", "{W} { item a(1), b(2); int x = co_await take_ref(flag ? a : b); co_return x; }", ("t", 1), ("t", 2)),
    "await_conditional_trivial_class": ("await", "other", "{W} { int x = co_await take_plain(flag ? plain{1, 2} : plain{2, 3}); co_return x; }", ("t", 1), ("t", 2)),
    "await_conditional_pointer": ("await", "other", "{W} { item a(1), b(2); int x = co_await take_ref(*(flag ? &a : &b)); co_return x; }", ("t", 1), ("t", 2)),
    "await_conditional_lvalue_future": ("await", "other", "{W} { auto a = f(1), b = g(2); int x = co_await (flag ? a : b); co_return x; }", ("fg", 1), ("fg", 2)),
    "bool_variable_and": ("and", "other", "{W} { bool x = flag && co_await yes(); co_return x; }", ("y", 1), ("", 0)),
    "bool_variable_three": ("and", "other", "{W} { bool x = flag && alive >= 0 && co_await yes(); co_return x; }", ("y", 1), ("", 0)),
    "bool_variable_not": ("and", "other", "{W} { bool x = !(flag && co_await yes()); co_return x; }", ("y", 0), ("", 1)),
    "bool_variable_right_group": ("and", "other", "{W} { bool x = alive >= 0 && (flag && co_await yes()); co_return x; }", ("y", 1), ("", 0)),
    "bool_assign_and": ("and", "other", "{W} { bool x = false; x = flag && co_await yes(); co_return x; }", ("y", 1), ("", 0)),
    "bool_equals_and": ("and", "other", "{W} { bool x = (flag && co_await yes()) == true; co_return x; }", ("y", 1), ("", 0)),
    "and_in_condition_of_conditional": ("and", "other", "{W} { int x = flag && co_await yes() ? 1 : 2; co_return x; }", ("y", 1), ("", 2)),
    "if_and_group": ("and", "other", "{W} { int keep = 1; if (alive >= 0 && (flag && co_await yes())) co_return keep; co_return 0; }", ("y", 1), ("", 0)),
    "if_both_await": ("and", "other", "{W} { int keep = 1; if (co_await f(flag) && co_await yes()) co_return keep; co_return 0; }", ("fy", 1), ("f", 0)),
    "if_and_compare": ("and", "other", "{W} { int keep = 1; if (flag && co_await f(1) == 1) co_return keep; co_return 0; }", ("f", 1), ("", 0)),
    "if_constexpr_like": ("and", "other", "{W} { int keep = 1; if (flag) { if (co_await yes()) co_return keep; } co_return 0; }", ("y", 1), ("", 0)),
    "return_bool_and": ("and", "other", "task<bool> b() { co_return flag && co_await yes(); } {W} { int x = co_await b(); co_return x; }", ("y", 1), ("", 0)),
    "null_pointer_and": ("and", "other", "{W} { item a(1); item* p = flag ? &a : nullptr; co_return p != nullptr && co_await take_ref(*p); }", ("t", 1), ("", 0)),
    "while_running_and": ("and", "other", "{W} { int n = 0; bool running = flag; while (running && co_await through(take(item(1)))) { ++n; running = false; } co_return n; }", ("ta", 1), ("", 0)),
    # The conditional operator.
    "return_moves_into_branch": ("conditional", "other", "{W} { std::string s(31, 'x'); co_return flag ? co_await take_string(std::move(s)) : co_await take_string(std::move(s)); }", ("t", 1), ("t", 1)),
    "return_class": ("conditional_class", "other", "task<item> i() { co_return flag ? co_await fi(1) : co_await gi(2); } {W} { auto x = co_await i(); co_return x.get(); }", ("f", 1), ("g", 2)),
    "variable_of_class": ("conditional_class", "other", "{W} { item x = flag ? co_await fi(1) : co_await gi(2); co_return x.get(); }", ("f", 1), ("g", 2)),
    "variable_of_class_one": ("conditional_class", "other", "{W} { item x = flag ? co_await fi(1) : item(2); co_return x.get(); }", ("f", 1), ("", 2)),
    "variable_of_class_condition": ("conditional_class", "other", "{W} { item x = co_await f(flag) ? item(1) : item(2); co_return x.get(); }", ("f", 1), ("f", 2)),
    "variable_of_string": ("conditional_class", "other", "{W} { std::string x = flag ? co_await fs(1) : co_await gs(2); co_return use_string(x); }", ("f", 1), ("g", 2)),
    "reference_to_class": ("conditional_class", "other", "{W} { const item& x = flag ? co_await fi(1) : co_await gi(2); co_return x.get(); }", ("f", 1), ("g", 2)),
    "copy_in_branch": ("conditional_class", "other", "{W} { item a(2); item x = flag ? co_await fi(1) : a; co_return x.get(); }", ("f", 1), ("", 2)),
    "conditional_nested": ("conditional", "other", "{W} { int x = flag ? co_await f(1) : alive > 99 ? co_await g(2) : co_await g(3); co_return x; }", ("f", 1), ("g", 3)),
    "conditional_in_lambda": ("conditional", "other", "{W} { auto l = []() -> task<int> { co_return flag ? co_await f(1) : co_await g(2); }; int x = co_await l(); co_return x; }", ("f", 1), ("g", 2)),
    "conditional_in_member": ("conditional", "other", "struct s { item i; task<int> m() { co_return flag ? co_await take_ref(i) : co_await g(2); } }; {W} { s o{item(1)}; int x = co_await o.m(); co_return x; }", ("t", 1), ("g", 2)),
    "conditional_in_template": ("conditional", "other", "template <class T> task<T> m() { co_return flag ? co_await f(1) : co_await g(2); } {W} { int x = co_await m<int>(); co_return x; }", ("f", 1), ("g", 2)),
    "conditional_throws": ("conditional", "other", "{W} { try { co_return flag ? co_await f(1) : throw 2; } catch (int x) { co_return x; } }", ("f", 1), ("", 2)),
    "await_conditional_adaptor": ("await_of_conditional", "other", "{W} { int x = co_await through(flag ? f(1) : g(2)); co_return x; }", ("fa", 1), ("ga", 2)),
    "await_conditional_copy": ("conditional_argument", "other", "{W} { item a(2); int x = co_await take(flag ? item(1) : a); co_return x; }", ("t", 1), ("t", 2)),
    "await_conditional_string": ("conditional_argument", "other", "{W} { int x = co_await take_string(flag ? std::string(31, 'x') : std::string(32, 'y')); co_return x; }", ("t", 1), ("t", 2)),
    "void_branches": ("conditional", "other", "{W} { flag ? (void)co_await f(1) : (void)co_await g(2); co_return 1; }", ("f", 1), ("g", 1)),
    "loop_adds": ("conditional", "other", "{W} { int s = 0; for (int i = 0; i < 1; ++i) s += flag ? co_await f(1) : co_await g(2); co_return s; }", ("f", 1), ("g", 2)),
    "variable_of_trivial_class": ("conditional", "other", "task<plain> p(int n) { note('p'); co_return plain{n, 2}; } {W} { plain x = flag ? co_await p(1) : co_await p(2); co_return x.a; }", ("p", 1), ("p", 2)),
    "return_nothing": ("conditional", "other", "action a() { co_return note('a'); } action b() { co_return flag ? co_await a() : co_await a(); } {W} { co_await b(); co_return 1; }", ("a", 1), ("a", 1)),
    "yield_in_branches": ("conditional", "other", "action a() { sink = use(flag ? co_yield 1 : co_yield 2); } {W} { co_await a(); co_return sink; }", ("y", 1), ("y", 2)),
    "yield_in_variable": ("conditional", "other", "action a() { int x = flag ? co_yield 1 : co_yield 2; sink = x; } {W} { co_await a(); co_return sink; }", ("y", 1), ("y", 2)),
    # && and || before an object.
    "if_and_class": ("and", "other", "{W} { int keep = 1; if (flag && co_await fi(1)) co_return keep; co_return 0; }", ("f", 1), ("", 0)),
    "if_and_member": ("and", "other", "{W} { int keep = 1; if (flag && (co_await fi(1)).get() == 1) co_return keep; co_return 0; }", ("f", 1), ("", 0)),
    "if_or_group": ("and_or", "other", "{W} { int keep = 1; if (!flag || (alive >= 0 && co_await yes())) co_return keep; co_return 0; }", ("y", 1), ("", 1)),
    "bool_variable_or_group": ("and_or", "other", "{W} { bool x = !flag || (alive >= 0 && co_await yes()); co_return x; }", ("y", 1), ("", 1)),
    "loop_of_statements": ("and", "other", "{W} { int n = 0; bool running = flag; while (running) { if (!co_await through(take(item(1)))) break; ++n; running = false; } co_return n; }", ("ta", 1), ("", 0)),
    # Aggregates.
    "aggregate_named_type": ("aggregate_argument", "other", "{W} { int x = co_await take_record(record{item(1), 2}); co_return x; }", ("t", 1), ("t", 1)),
    "aggregate_designated": ("aggregate_argument", "other", "{W} { int x = co_await take_record({.a = item(1), .b = 2}); co_return x; }", ("t", 1), ("t", 1)),
    "aggregate_parentheses": ("aggregate_argument", "other", "{W} { int x = co_await take_record(record(item(1), 2)); co_return x; }", ("t", 1), ("t", 1)),
    "aggregate_empty": ("aggregate_argument", "other", "{W} { int x = co_await take_record({}); co_return x + 1; }", ("t", 1), ("t", 1)),
    "aggregate_value": ("aggregate_argument", "other", "{W} { int x = co_await take_record(record()); co_return x + 1; }", ("t", 1), ("t", 1)),
    "aggregate_std_array": ("aggregate_argument", "other", "{W} { int x = co_await take(std::array<item, 1>{item(1)}[0]); co_return x; }", ("t", 1), ("t", 1)),
    "aggregate_beside": ("aggregate_argument", "other", "{W} { int x = use_record({item(1), 2}) + co_await f(0); co_return x; }", ("f", 1), ("f", 1)),
    "aggregate_new": ("aggregate_argument", "other", "{W} { std::unique_ptr<record> x(new record{co_await fi(1), 2}); co_return x->a.get(); }", ("f", 1), ("f", 1)),
    "aggregate_variable": ("aggregate_of_await", "other", "{W} { record x{co_await fi(1), 2}; co_return x.a.get(); }", ("f", 1), ("f", 1)),
    "aggregate_variable_second": ("aggregate_of_await", "other", "{W} { record x{item(1), co_await f(2)}; co_return x.a.get(); }", ("f", 1), ("f", 1)),
    "aggregate_return": ("aggregate_of_await", "other", "task<record> r() { co_return record{co_await fi(1), 2}; } {W} { auto x = co_await r(); co_return x.a.get(); }", ("f", 1), ("f", 1)),
    "aggregate_assign": ("aggregate_of_await", "other", "{W} { record x; x = {co_await fi(1), 2}; co_return x.a.get(); }", ("f", 1), ("f", 1)),
    "aggregate_trivial_of_await": ("await", "other", "{W} { plain x{co_await f(1), 2}; co_return x.a; }", ("f", 1), ("f", 1)),
    # Throwing.
    "throw_awaited_class": ("throw_class", "other", "{W} { int n = 0; try { throw co_await fi(1); } catch (const item& x) { n = x.get(); } co_return n; }", ("f", 1), ("f", 1)),
    "throw_standard_error": ("throw_class", "other", "{W} { int n = 0; try { throw std::runtime_error(std::string(co_await f(1), 'x')); } catch (const std::exception& x) { n = static_cast<int>(std::string_view(x.what()).size()); } co_return n; }", ("f", 1), ("f", 1)),
    "throw_aggregate": ("throw_class", "other", "{W} { int n = 0; try { throw record{co_await fi(1), 2}; } catch (const record& x) { n = x.a.get(); } co_return n; }", ("f", 1), ("f", 1)),
    "throw_trivial_class": ("await", "other", "{W} { int n = 0; try { throw plain{co_await f(1), 2}; } catch (const plain& x) { n = x.a; } co_return n; }", ("f", 1), ("f", 1)),
    # Closures.
    "closure_by_reference": ("closure", "other", "{W} { int x = co_await call_ref([i = item(1)] { return i.get(); }); co_return x; }", ("t", 1), ("t", 1)),
    "closure_to_function": ("closure", "other", "{W} { int x = co_await take_function([i = item(1)] { return i.get(); }); co_return x; }", ("t", 1), ("t", 1)),
    "closure_function": ("closure", "other", "{W} { int x = co_await take_function(std::function<int()>([i = item(1)] { return i.get(); })); co_return x; }", ("t", 1), ("t", 1)),
    "closure_in_adaptor": ("closure", "other", "{W} { int x = co_await through(call([i = item(1)] { return i.get(); })); co_return x; }", ("ta", 1), ("ta", 1)),
    "closure_called": ("closure", "other", "{W} { int x = co_await later([i = item(1)] { return i.get(); }()); co_return x; }", ("", 1), ("", 1)),
    "closure_beside": ("closure", "other", "{W} { int x = [i = item(1)] { return i.get(); }() + co_await f(0); co_return x; }", ("f", 1), ("f", 1)),
    "closure_captures_await": ("closure", "other", "{W} { auto c = [i = co_await fi(1)] { return i.get(); }; co_return c(); }", ("f", 1), ("f", 1)),
    "closure_coroutine": ("closure", "other", "{W} { int x = co_await [](item i) -> task<int> { co_return i.get(); }(item(1)); co_return x; }", ("", 1), ("", 1)),
    "closure_references": ("closure_trivial", "other", "{W} { item i(1); int x = co_await call([&] { return i.get(); }); co_return x; }", ("t", 1), ("t", 1)),
    # Lists.
    "list_of_numbers": ("list", "other", "{W} { int x = co_await take_ints({1, 2}); co_return x; }", ("t", 1), ("t", 1)),
    "list_parameter": ("list", "other", "{W} { int x = co_await take_list({1, 2}); co_return x; }", ("t", 1), ("t", 1)),
    "list_of_items": ("list", "other", "{W} { int x = co_await take_items({item(1), item(2)}); co_return x; }", ("t", 1), ("t", 1)),
    "list_of_items_named_type": ("list", "other", "{W} { int x = co_await take_items(std::vector<item>{item(1), item(2)}); co_return x; }", ("t", 1), ("t", 1)),
    "list_of_awaits": ("list", "other", "{W} { std::vector<int> v{co_await f(1), 2}; co_return v.at(0); }", ("f", 1), ("f", 1)),
    "list_of_awaited_items": ("list", "other", "{W} { std::vector<item> v{co_await fi(1), item(2)}; co_return v.at(0).get(); }", ("f", 1), ("f", 1)),
    "list_array": ("await", "other", "{W} { int a[] = {co_await f(1), 2}; co_return a[0]; }", ("f", 1), ("f", 1)),
    "list_array_of_items": ("aggregate_of_await", "other", "{W} { item a[] = {co_await fi(1), item(2)}; co_return a[0].get(); }", ("f", 1), ("f", 1)),
    "list_array_second": ("aggregate_of_await", "other", "{W} { item a[] = {item(1), co_await fi(2)}; co_return a[0].get(); }", ("f", 1), ("f", 1)),
    "list_array_of_conditional": ("conditional", "other", "{W} { int a[] = {flag ? co_await f(1) : co_await g(2), 2}; co_return a[0]; }", ("f", 1), ("g", 2)),
    "list_beside": ("list", "other", "{W} { int x = std::max({0, 1}) + co_await f(0); co_return x; }", ("f", 1), ("f", 1)),
    # Conditions without a local variable.
    "parameter_only": ("await", "condition, no local", "task<int> w(int n) { if (co_await yes()) co_return n; co_return 0; } {W} { auto t = w(1); int x = co_await t; co_return x; }", ("y", 1), ("y", 1)),
    "catch_only": ("await", "condition, no local", "{W} { try { if (co_await yes()) co_return 1; } catch (const item& x) { co_return x.get(); } co_return 0; }", ("y", 1), ("y", 1)),
    "nested_block": ("await", "condition, no local", "{W} { { if (co_await yes()) co_return 1; } co_return 0; }", ("y", 1), ("y", 1)),
    "after_a_statement": ("await", "condition, no local", "{W} { co_await f(1); if (co_await yes()) co_return 1; co_return 0; }", ("fy", 1), ("fy", 1)),
    "else_if": ("await", "condition, no local", "{W} { if (sink == 5) co_return 7; else if (co_await yes()) co_return 1; co_return 0; }", ("y", 1), ("y", 1)),
    "using_only": ("await", "condition, no local", "{W} { using type = int; if (co_await yes()) co_return type(1); co_return 0; }", ("y", 1), ("y", 1)),
    "lambda_coroutine": ("await", "condition, no local", "{W} { auto l = []() -> task<int> { if (co_await yes()) co_return 1; co_return 0; }; int x = co_await l(); co_return x; }", ("y", 1), ("y", 1)),
    "function_object_no_local": ("await", "condition, no local", "struct s { task<int> operator()() { if (co_await yes()) co_return 1; co_return 0; } }; {W} { s o; int x = co_await o(); co_return x; }", ("y", 1), ("y", 1)),
    "member_no_local": ("await", "condition, no local", "struct s { item i; task<int> m() { if (co_await take_ref(i)) co_return 1; co_return 0; } }; {W} { s o{item(1)}; int x = co_await o.m(); co_return x; }", ("t", 1), ("t", 1)),
    # Structured bindings of a tuple, in a frame that is destroyed while it is suspended, and in a loop.
    "tuple_binding": ("tuple_binding", "other", "task<std::pair<int, item>> p() { co_return std::pair<int, item>(1, 2); } {W} { auto [a, b] = co_await p(); co_return a; }", ("", 1), ("", 1)),
    "tuple_binding_loop": ("tuple_binding", "other", "task<std::pair<int, item>> p() { co_return std::pair<int, item>(1, 2); } {W} { int s = 0; for (int i = 0; i < 2; ++i) { auto [a, b] = co_await p(); s += a; if (i == 0) continue; s += co_await f(b.get()); } co_return s; }", ("f", 4), ("f", 4)),
    "tuple_binding_abandoned": ("tuple_binding", "other", "task<std::pair<int, item>> p() { co_return std::pair<int, item>(1, 2); } task<int> w() { auto [a, b] = co_await p(); co_await never(); co_return a + b.get(); } {W} { { auto t = w(); start(t); } co_return 1; }", ("", 1), ("", 1)),
    "tuple_binding_reference": ("await", "other", "task<std::pair<int, item>> p() { co_return std::pair<int, item>(1, 2); } task<int> w() { auto both = co_await p(); auto& [a, b] = both; co_await never(); co_return a + b.get(); } {W} { { auto t = w(); start(t); } co_return 1; }", ("", 1), ("", 1)),
    "aggregate_binding_abandoned": ("await", "other", "task<record> p() { record r{item(1), 2}; co_return std::move(r); } task<int> w() { auto [a, b] = co_await p(); co_await never(); co_return a.get(); } {W} { { auto t = w(); start(t); } co_return 1; }", ("", 1), ("", 1)),
}


def cases():
    found = []
    for form, (kind, expression, *runs) in FORMS.items():
        for place, (types, body, returned) in PLACES.items():
            if types != "any" and types != kind and not (types == "int" and kind == "bool" and place == "operand"):
                continue
            (calls, value), (other_calls, other) = runs
            code = "task<int> work() { " + body.replace("{E}", expression) + " }"
            found.append(Case(f"{form}__{place}", form, place, code, (calls, returned(value)), (other_calls, returned(other))))
    for name, (form, place, code, *runs) in SPECIAL.items():
        found.append(Case(name, form, place, code.replace("{W}", "task<int> work()"), *runs))
    return found


def source(selected):
    """One translation unit with these cases, and the case of each line."""
    lines, case_of_line = ['#include "mini.hpp"', "using namespace mini;"], {}
    for case in selected:
        run = f"void run() {{ verify([] {{ return work(); }}, {{\"{case.yes[0]}\", {case.yes[1]}}}, {{\"{case.no[0]}\", {case.no[1]}}}); }}"
        for line in (f"namespace {case.name} {{", case.code, run, "}"):
            lines.append(line)
            case_of_line[len(lines)] = case.name
    lines.append("int main() {\n    const mini::named_case all[] = {")
    lines += [f'        {{"{case.name}", {case.name}::run}},' for case in selected]
    lines.append("    };\n    return mini::run_all(all);\n}")
    return "\n".join(lines) + "\n", case_of_line
