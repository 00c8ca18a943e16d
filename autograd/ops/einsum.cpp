// einsum: sums of products over named dimensions, as views, sums and batched matrix products.
//
// Every operand becomes a tensor with one label per dimension (repeated letters take the diagonal). Operands are joined from
// left to right; a pair is one batched product with
//   batch = labels of both that are still needed     k = labels of both that are not     m, n = labels of one only
#include <algorithm>
#include <array>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {
namespace {

constexpr int kLetters = 52, kLabels = kLetters + Shape::kMaxRank;   // A-Z, a-z, then the dimensions of "...", right-aligned

using Labels = std::vector<int>;

struct Term {                     // one side of a comma, as written
  Labels before, after;           // letters before and after "..."
  bool ellipsis = false;
  int letters() const { return int(before.size() + after.size()); }
};

int letter_label(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return 26 + c - 'a';
  return -1;
}
char label_letter(int label) { return label < 26 ? char('A' + label) : label < kLetters ? char('a' + label - 26) : '.'; }

Term parse_term(std::string_view text, const std::string& where) {
  Term t;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text[i] == '.') {
      if (t.ellipsis || text.substr(i, 3) != "...")
        fail<ValueError>("einsum(): found '.' ", where, " that is not part of any ellipsis, or a second ellipsis");
      t.ellipsis = true;
      i += 2;
      continue;
    }
    const int label = letter_label(text[i]);
    if (label < 0) fail<ValueError>("einsum(): invalid subscript given at index ", i, " ", where, ", subscripts must be in [a-zA-Z]");
    (t.ellipsis ? t.after : t.before).push_back(label);
  }
  return t;
}

// The labels of a term whose "..." stands for `dots` dimensions.
Labels expand_term(const Term& t, int dots) {
  Labels all = t.before;
  for (int i = 0; i < dots; ++i) all.push_back(kLabels - dots + i);
  all.insert(all.end(), t.after.begin(), t.after.end());
  return all;
}

struct Labelled {
  Tensor x;
  Labels labels;
  int find(int label) const {
    const auto at = std::find(labels.begin(), labels.end(), label);
    return at == labels.end() ? -1 : int(at - labels.begin());
  }
  int64_t size(int label) const { return x.size(find(label)); }
};

// Repeated letters of one operand: its diagonal.
Labelled without_repeats(Labelled t, size_t operand) {
  for (int i = 0; i < int(t.labels.size()); ++i) {
    for (int j = i + 1; j < int(t.labels.size());) {
      if (t.labels[i] != t.labels[j]) {
        ++j;
        continue;
      }
      if (t.x.size(i) != t.x.size(j))
        fail<ShapeError>("einsum(): subscript ", label_letter(t.labels[i]), " is repeated for operand ", operand,
                         " but the sizes don't match, ", t.x.size(j), " != ", t.x.size(i));
      t.x = movedim(diagonal(t.x, 0, i, j), {-1}, {i});
      t.labels.erase(t.labels.begin() + j);
    }
  }
  return t;
}

// Sums over the labels that `keep` does not name.
template <class Keep> Labelled summed(Labelled t, Keep keep) {
  Shape to = t.x.shape(), drop;
  Labels left;
  for (int d = 0; d < t.x.dim(); ++d) {
    if (keep(t.labels[d])) {
      left.push_back(t.labels[d]);
    } else {
      to[d] = 1;
      drop.push_back(d);
    }
  }
  if (drop.empty()) return t;
  const DType dtype = t.x.dtype();
  const Tensor wide = is_floating(dtype) ? t.x : hippograd::to(t.x, DType::i64);
  return {hippograd::to(squeeze(sum_to(wide, to), drop), dtype), left};
}

// The dimensions of `t` in the order of `groups`, stretched to `sizes`, each group but the first flattened into one dimension.
// A label that t lacks has size 1.
Tensor arranged(const Labelled& t, const Labels& batch, const std::array<Labels, 2>& groups, const std::array<int64_t, kLabels>& sizes) {
  Shape order, stretched, flat;
  Labels all = batch;
  for (const Labels& g : groups) all.insert(all.end(), g.begin(), g.end());
  for (int label : all) {
    order.push_back(t.find(label));
    stretched.push_back(sizes[label]);
  }
  for (int label : batch) flat.push_back(sizes[label]);
  for (const Labels& g : groups) {
    int64_t n = 1;
    for (int label : g) n *= sizes[label];
    flat.push_back(n);
  }
  return reshape(expand(permute(t.x, order), stretched), flat);
}

// The product of two operands without a sum: both stretched over all labels.
Labelled multiplied(const Labelled& a, const Labelled& b) {
  Labels all = a.labels;
  for (int label : b.labels)
    if (a.find(label) < 0) all.push_back(label);
  const auto spread = [&](const Labelled& t) {
    Shape order, shape;
    for (int label : all) {
      const int d = t.find(label);
      if (d >= 0) order.push_back(d);
      shape.push_back(d >= 0 ? t.x.size(d) : 1);
    }
    return reshape(permute(t.x, order), shape);
  };
  return {mul(spread(a), spread(b)), all};
}

template <class Keep> Labelled joined(Labelled a, Labelled b, Keep keep) {
  a = summed(a, [&](int label) { return keep(label) || b.find(label) >= 0; });
  b = summed(b, [&](int label) { return keep(label) || a.find(label) >= 0; });
  Labels batch, only_a, only_b, added;
  std::array<int64_t, kLabels> sizes{};
  for (int label : a.labels) {
    const int64_t mine = a.size(label);
    if (b.find(label) < 0) {
      only_a.push_back(label);
      sizes[label] = mine;
      continue;
    }
    (keep(label) ? batch : added).push_back(label);
    sizes[label] = mine == 1 ? b.size(label) : mine;
  }
  for (int label : b.labels)
    if (a.find(label) < 0) only_b.push_back(label), sizes[label] = b.size(label);
  if (added.empty()) return multiplied(a, b);
  const Tensor y = matmul(arranged(a, batch, {only_a, added}, sizes), arranged(b, batch, {added, only_b}, sizes));
  Labels labels = batch;
  labels.insert(labels.end(), only_a.begin(), only_a.end());
  labels.insert(labels.end(), only_b.begin(), only_b.end());
  Shape shape;
  for (int label : labels) shape.push_back(sizes[label]);
  return {reshape(y, shape), labels};
}

std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t start = 0;;) {
    const size_t comma = text.find(',', start);
    parts.push_back(text.substr(start, comma == text.npos ? text.npos : comma - start));
    if (comma == text.npos) return parts;
    start = comma + 1;
  }
}

// Without "->": the dimensions of "...", then the letters that appear exactly once, in alphabetic order.
Labels implicit_output(const std::vector<Labels>& inputs, int dots) {
  std::array<int, kLabels> count{};
  for (const Labels& labels : inputs)
    for (int label : labels) ++count[label];
  Labels result;
  for (int i = 0; i < dots; ++i) result.push_back(kLabels - dots + i);
  for (int label = 0; label < kLetters; ++label)
    if (count[label] == 1) result.push_back(label);
  return result;
}

Labels explicit_output(std::string_view text, const std::array<bool, kLabels>& seen, int dots) {
  const Term t = parse_term(text, "in the output");
  const Labels labels = expand_term(t, t.ellipsis ? dots : 0);
  std::array<bool, kLabels> used{};
  for (int label : labels) {
    if (used[label]) fail<ValueError>("einsum(): output subscript ", label_letter(label), " appears more than once in the output");
    if (!seen[label])
      fail<ValueError>("einsum(): output subscript ", label_letter(label), " does not appear in the equation for any input operand");
    used[label] = true;
  }
  return labels;
}

}  // namespace

Tensor einsum(std::string_view equation, const Tensors& operands) {
  if (operands.empty()) fail<ValueError>("einsum(): must provide at least one operand");
  const size_t arrow = equation.find("->");
  const auto texts = split_commas(equation.substr(0, arrow));
  if (texts.size() != operands.size())
    fail<ValueError>("einsum(): ", texts.size() > operands.size() ? "fewer" : "more", " operands were provided than specified in the equation: ",
                     operands.size(), " for '", equation, "'");
  std::vector<Term> terms;
  int dots = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    terms.push_back(parse_term(texts[i], cat("in the equation string for operand ", i)));
    const int rank = operands[i].dim(), letters = terms[i].letters();
    if (terms[i].ellipsis ? letters > rank : letters != rank)
      fail<ShapeError>("einsum(): the number of subscripts in the equation (", letters, ") ", terms[i].ellipsis ? "is more than" : "does not match",
                       " the number of dimensions (", rank, ") for operand ", i, terms[i].ellipsis ? "" : " and no ellipsis was given");
    dots = std::max(dots, rank - letters);
  }

  std::vector<Labelled> inputs;
  std::vector<Labels> written;
  std::array<int64_t, kLabels> sizes{};
  std::array<bool, kLabels> seen{};
  for (size_t i = 0; i < terms.size(); ++i) {
    written.push_back(expand_term(terms[i], operands[i].dim() - terms[i].letters()));
    inputs.push_back(without_repeats({operands[i], written.back()}, i));
    for (int label : inputs[i].labels) {
      const int64_t n = inputs[i].size(label);
      if (seen[label] && n != sizes[label] && n != 1 && sizes[label] != 1)
        fail<ShapeError>("einsum(): subscript ", label_letter(label), " has size ", n, " for operand ", i,
                         " which does not broadcast with previously seen size ", sizes[label]);
      sizes[label] = seen[label] && sizes[label] != 1 ? sizes[label] : n;
      seen[label] = true;
    }
  }
  const Labels output = arrow == equation.npos ? implicit_output(written, dots) : explicit_output(equation.substr(arrow + 2), seen, dots);

  const auto needed_after = [&](size_t i) {   // labels of the output and of the operands behind i
    return [&, i](int label) {
      if (std::find(output.begin(), output.end(), label) != output.end()) return true;
      for (size_t j = i + 1; j < inputs.size(); ++j)
        if (inputs[j].find(label) >= 0) return true;
      return false;
    };
  };
  Labelled result = inputs[0];
  for (size_t i = 1; i < inputs.size(); ++i) result = joined(result, inputs[i], needed_after(i));
  result = summed(result, needed_after(inputs.size() - 1));

  Shape order;
  for (int label : output) order.push_back(result.find(label));
  return permute(result.x, order);
}

}  // namespace hippograd
