using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Sequences packed without padding, as a forest: tokens that several sequences begin with are one node, there once, and what follows are its children. Rows
/// are in preorder, a node's leaves before its other children, so that all rows below a node stand right behind it. N rows in all.
/// </summary>
public sealed class TokenBatch : IDisposable
{
    /// <summary>Fewer common tokens than this are not worth a node of their own.</summary>
    internal const int LeastShared = 16;

    private readonly int[] _leaves;

    private TokenBatch(Tensor ids, Tensor positions, int[] lengths, Node[] nodes, int[] leaves)
    {
        (Ids, Positions, Lengths, Nodes, _leaves) = (ids, positions, lengths, nodes, leaves);
        Longest = lengths.Max();
        Starts = [.. leaves.Select(leaf => nodes[leaf].From)];
        Count = nodes.Sum(n => n.Rows);
    }

    /// <summary>Tokens that follow one another: rows [From, From + Rows).</summary>
    /// <param name="Parent">Node that stands before it; −1 for none.</param>
    /// <param name="From">First row.</param>
    /// <param name="Rows">Its tokens, 1 or more.</param>
    /// <param name="Before">Tokens of all nodes above it, so that its first token has this position.</param>
    /// <param name="End">Row behind the last one of all nodes below it.</param>
    internal readonly record struct Node(int Parent, int From, int Rows, int Before, int End)
    {
        internal bool IsLeaf => End == From + Rows;
    }

    /// <summary>Token ids, int64 [N].</summary>
    public Tensor Ids { get; }

    /// <summary>Position of each token in its own sequence, int64 [N].</summary>
    public Tensor Positions { get; }

    /// <summary>Tokens of each sequence, the shared ones included.</summary>
    public IReadOnlyList<int> Lengths { get; }

    /// <summary>In the order of rows.</summary>
    internal IReadOnlyList<Node> Nodes { get; }

    /// <summary>Tokens that all sequences have in common, and that are there once.</summary>
    public int Shared => Lengths.Count > 1 && Nodes[0].End == Count ? Nodes[0].Rows : 0;

    /// <summary>Row of the first token that is a sequence's alone.</summary>
    public int[] Starts { get; }

    /// <summary>Tokens of the longest sequence.</summary>
    public int Longest { get; }

    /// <summary>N.</summary>
    public int Count { get; }

    /// <summary>Row of token <paramref name="position"/> of sequence <paramref name="sequence"/>.</summary>
    public int RowOf(int sequence, int position)
    {
        var node = Nodes[_leaves[sequence]];
        while (position < node.Before)
            node = Nodes[node.Parent];
        return node.From + position - node.Before;
    }

    /// <summary>Nodes that a sequence runs through, its leaf first.</summary>
    internal IEnumerable<Node> Path(int sequence)
    {
        for (var node = _leaves[sequence]; node >= 0; node = Nodes[node].Parent)
            yield return Nodes[node];
    }

    /// <summary>
    /// Packs sequences of token ids, none of them empty. At most <paramref name="shareable"/> tokens of each are computed once for several (0: none).
    /// </summary>
    public static TokenBatch Pack(IReadOnlyList<IReadOnlyList<int>> sequences, Device device, int shareable = 0, bool deep = false) =>
        Pack(sequences, device, [.. Enumerable.Repeat(shareable, sequences.Count)], deep);

    /// <summary>Packs sequences of token ids, none of them empty.</summary>
    /// <param name="sequences">Token ids.</param>
    /// <param name="device">Where the tensors are made.</param>
    /// <param name="shareable">
    /// Tokens of each sequence that may be computed once for several. Rows that are scored have to lie behind them, because a gradient row belongs to one
    /// sequence.
    /// </param>
    /// <param name="deep">Whether groups of sequences share what they have in common (a tree); else only what all of them begin with is shared.</param>
    public static TokenBatch Pack(IReadOnlyList<IReadOnlyList<int>> sequences, Device device, IReadOnlyList<int> shareable, bool deep)
    {
        if (sequences.Count == 0 || sequences.Any(s => s.Count == 0))
            throw new ArgumentException("a batch needs at least one sequence, and no empty one", nameof(sequences));
        var forest = new Forest(sequences, shareable, deep);
        forest.Grow();
        var nodes = forest.Nodes.ToArray();
        var count = nodes[^1].From + nodes[^1].Rows;
        var (ids, positions) = (new long[count], new long[count]);
        for (var n = 0; n < nodes.Length; n++)
            for (var t = 0; t < nodes[n].Rows; t++)
            {
                positions[nodes[n].From + t] = nodes[n].Before + t;
                ids[nodes[n].From + t] = sequences[forest.Witness[n]][nodes[n].Before + t];
            }

        using var scope = NewDisposeScope();
        Tensor Make(long[] values) => tensor(values, device: device).DetachFromDisposeScope();
        return new TokenBatch(Make(ids), Make(positions), [.. sequences.Select(s => s.Count)], nodes, forest.Leaves);
    }

    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
    }

    /// <summary>The nodes of sequences, as they are found.</summary>
    private sealed class Forest(IReadOnlyList<IReadOnlyList<int>> sequences, IReadOnlyList<int> shareable, bool deep)
    {
        internal List<Node> Nodes { get; } = [];

        /// <summary>A sequence that has the node's tokens.</summary>
        internal List<int> Witness { get; } = [];

        internal int[] Leaves { get; } = new int[sequences.Count];

        private int _row;

        internal void Grow()
        {
            int[] all = [.. Enumerable.Range(0, sequences.Count)];
            var common = all.Length == 1 ? 0 : CommonPrefix(all, 0);
            if (deep || common >= LeastShared)
                Grow(all, parent: -1, before: 0, known: 0);
            else
                foreach (var sequence in all)
                    Leaf(sequence, -1, 0);
        }

        /// <param name="group">Sequences, in their order.</param>
        /// <param name="parent">The node above.</param>
        /// <param name="before">Tokens of the nodes above.</param>
        /// <param name="known">Tokens that all of the group are known to have in common.</param>
        private void Grow(IReadOnlyList<int> group, int parent, int before, int known)
        {
            var common = CommonPrefix(group, known);
            if (common - before >= LeastShared)
            {
                var node = Add(parent, common - before, before, group[0]);
                Divide(group, node, common, common);
                Nodes[node] = Nodes[node] with { End = _row };
            }
            else
                Divide(group, parent, before, common);
        }

        /// <summary>Leaves first: they are attended to in one product where there are no tiles.</summary>
        private void Divide(IReadOnlyList<int> group, int node, int before, int common)
        {
            var parts = deep
                ? [.. group.GroupBy(s => common < Limit(s) ? sequences[s][common] : ~s).Select(g => g.ToArray())]
                : group.Select(s => new[] { s }).ToArray();
            foreach (var part in parts.Where(p => !Branches(p, before)))
                foreach (var sequence in part)
                    Leaf(sequence, node, before);
            foreach (var part in parts.Where(p => Branches(p, before)))
                Grow(part, node, before, common);
        }

        /// <summary>Whether some of the sequences share enough for a node below.</summary>
        private bool Branches(int[] part, int before)
        {
            if (part.Length == 1)
                return false;
            int[] sorted = [.. part.Order(new Lexicographic(sequences, shareable))];
            return Enumerable.Range(1, sorted.Length - 1).Any(i => CommonPrefix([sorted[i - 1], sorted[i]], before) - before >= LeastShared);
        }

        private void Leaf(int sequence, int parent, int before) => Leaves[sequence] = Add(parent, sequences[sequence].Count - before, before, sequence);

        private int Add(int parent, int rows, int before, int witness)
        {
            Nodes.Add(new(parent, _row, rows, before, _row + rows));
            Witness.Add(witness);
            _row += rows;
            return Nodes.Count - 1;
        }

        private int Limit(int sequence) => Math.Min(shareable[sequence], sequences[sequence].Count - 1);

        private int CommonPrefix(IReadOnlyList<int> group, int known)
        {
            var limit = group.Min(Limit);
            var first = sequences[group[0]];
            for (var i = 1; i < group.Count && limit > known; i++)
            {
                var other = sequences[group[i]];
                if (!ReferenceEquals(first, other))
                    limit = PrefixOrder.Common(first, other, known, limit);
            }

            return Math.Max(0, limit);
        }
    }

    private sealed class Lexicographic(IReadOnlyList<IReadOnlyList<int>> sequences, IReadOnlyList<int> shareable) : IComparer<int>
    {
        public int Compare(int x, int y) => PrefixOrder.Compare(sequences[x], shareable[x], sequences[y], shareable[y]);
    }
}

/// <summary>Sequences by the tokens that they may share, so that those with a common beginning stand together.</summary>
public static class PrefixOrder
{
    /// <summary>Tokens from <paramref name="from"/> on, up to <paramref name="limit"/>, that two sequences have in common; where it ends.</summary>
    internal static int Common(IReadOnlyList<int> a, IReadOnlyList<int> b, int from, int limit)
    {
        var t = from;
        while (t < limit && a[t] == b[t])
            t++;
        return t;
    }

    /// <summary>Tokens that two sequences would share in a batch: none where there are fewer than a batch gives a node of their own.</summary>
    public static int Shared(IReadOnlyList<int> a, int shareableA, IReadOnlyList<int> b, int shareableB)
    {
        var common = Common(a, b, 0, Math.Min(Math.Min(shareableA, a.Count - 1), Math.Min(shareableB, b.Count - 1)));
        return common >= TokenBatch.LeastShared ? common : 0;
    }

    /// <summary>Lexicographic order of what may be shared.</summary>
    public static int Compare(IReadOnlyList<int> a, int shareableA, IReadOnlyList<int> b, int shareableB)
    {
        int lengthA = Math.Min(shareableA, a.Count - 1),
            lengthB = Math.Min(shareableB, b.Count - 1),
            limit = Math.Min(lengthA, lengthB),
            t = Common(a, b, 0, limit);
        return t < limit ? a[t].CompareTo(b[t]) : lengthA.CompareTo(lengthB);
    }
}
