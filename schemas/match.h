#pragma once
// One function for each alternative of a variant: std::visit(Match{[](A) {…}, [](B) {…}}, variant).

namespace tidegate {

template <class... F>
struct Match : F... {
  using F::operator()...;
};
template <class... F>
Match(F...) -> Match<F...>;

}  // namespace tidegate
