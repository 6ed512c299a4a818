using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: N packed rows, h query heads, g key/value heads, d head size. Of a group: B runs of rows, T the longest, P rows of all nodes above them.
namespace RlHarness.Models.Decoders;

/// <summary>
/// Causal attention of packed sequences: each node of the batch attends to the nodes above it and to itself. Where tiles of our own do not serve, the products
/// are libtorch's, with its own gradient, one for each group of leaves with the same nodes above them, padded to [B, T] only there, with the padding behind,
/// where causality hides it; all around them is written by hand.
/// </summary>
internal sealed class PackedAttention : IAttention
{
    private readonly DecoderConfig _config;
    private readonly TokenBatch _batch;
    private readonly ScalarType _type;
    private readonly Func<Tensor, Tensor>? _keep;
    private readonly Dictionary<(long Before, long Rows, int? Window), Tensor> _masks = [];
    private readonly Group[] _groups = [];
    private readonly TiledAttention.Tree[] _trees = [];

    /// <param name="config">Of the model.</param>
    /// <param name="batch">Has to outlive this.</param>
    /// <param name="type">Of the products.</param>
    /// <param name="keep">Detaches saved tensors from their dispose scope; null leaves them in it.</param>
    internal PackedAttention(DecoderConfig config, TokenBatch batch, ScalarType type, Func<Tensor, Tensor>? keep = null)
    {
        (_config, _batch, _type, _keep) = (config, batch, type, keep);
        ReadsGroups = TiledAttention.IsSupported(batch.Ids.device, type, config.HeadDim);
        if (ReadsGroups)
        {
            _trees = [.. Trees(batch)];
            return;
        }

        _groups = [.. Groups()];
        // Made here, where they outlive the layers.
        foreach (var group in _groups)
            foreach (var window in new[] { null, config.SlidingWindow })
                Mask(group, window);
    }

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v) => Attend(layer, q, k, v, null).AttentionOutput;

    /// <summary>q [N, h·d], k and v [N, g·d] → [N, h·d]; with a record for the backward pass where there is somebody to keep it.</summary>
    internal (Tensor AttentionOutput, IRecord? Record) Attend(int layer, Tensor q, Tensor k, Tensor v, SavedActivations? keeper)
    {
        OperandDevices.Same("attention", q, k, v, _batch.Ids);
        int h = _config.NumAttentionHeads,
            g = _config.NumKeyValueHeads;
        var window = _config.IsSliding(layer) ? _config.SlidingWindow : null;
        if (ReadsGroups)
        {
            var shape = new TiledAttention.Shape(h, g, _config.HeadDim, 1 / MathF.Sqrt(_config.HeadDim), window);
            var (result, logSums) = TiledAttention.Forward(q, k, v, _trees, shape);
            return (
                result,
                keeper is null ? null : new Tiles(_trees, shape, keeper.Keep(q), keeper.Keep(k), keeper.Keep(v), keeper.Keep(result), keeper.Keep(logSums))
            );
        }

        var products = new Product[_groups.Length];
        var parts = new Tensor[_groups.Length];
        for (var i = 0; i < _groups.Length; i++)
        {
            var group = _groups[i];
            Tensor Keys(Tensor x)
            {
                var own = group.Heads(group.Pad(group.Of(x)), g, _config.HeadDim);
                Tensor[] all =
                [
                    .. group.Above.Select(node => Group.Heads(Of(x, node), 1, g, _config.HeadDim).expand(group.Count, g, node.Rows, _config.HeadDim)),
                    own,
                ];
                return Repeat(all.Length == 1 ? own : cat(all, 2), keeper); // [B, h, P + T, d]
            }

            products[i] = Product.Run(group.Heads(group.Pad(group.Of(q)), h, _config.HeadDim), Keys(k), Keys(v), Mask(group, window), keeper);
            parts[i] = group.Rows(products[i].Result);
        }

        return (parts.Length == 1 ? parts[0] : cat(parts, 0), keeper is null ? null : new Products(this, products));
    }

    /// <summary>
    /// True where keys and values are read as they come, a head for its whole group; else they are repeated first, and the repeated ones are kept.
    /// </summary>
    internal bool ReadsGroups { get; }

    /// <summary>The trees of a batch, for the kernel.</summary>
    private static IEnumerable<TiledAttention.Tree> Trees(TokenBatch batch)
    {
        foreach (var root in batch.Nodes.Where(n => n.Parent < 0))
        {
            var (ends, positions) = (new int[root.End - root.From], new int[root.End - root.From]);
            foreach (var node in batch.Nodes.Where(n => n.From >= root.From && n.From < root.End))
                for (var r = 0; r < node.Rows; r++)
                    (ends[node.From - root.From + r], positions[node.From - root.From + r]) = (node.End - root.From, node.Before + r);
            yield return new(root.From, ends, positions);
        }
    }

    /// <summary>The batch's rows in their order: each inner node by itself, and the leaves of a node together.</summary>
    private IEnumerable<Group> Groups()
    {
        var nodes = _batch.Nodes;
        for (var first = 0; first < nodes.Count;)
        {
            var end = first + 1;
            if (nodes[first].IsLeaf)
                while (end < nodes.Count && nodes[end].IsLeaf && nodes[end].Parent == nodes[first].Parent)
                    end++;
            var above = new List<TokenBatch.Node>();
            for (var parent = nodes[first].Parent; parent >= 0; parent = nodes[parent].Parent)
                above.Insert(0, nodes[parent]);
            yield return new(above, nodes[first].From, [.. nodes.Skip(first).Take(end - first).Select(n => n.Rows)], _batch.Ids.device, _keep);
            first = end;
        }
    }

    private static Tensor Of(Tensor x, TokenBatch.Node node) => x.narrow(0, node.From, node.Rows);

    /// <summary>Null where libtorch's own causal flag says the same: it starts at key 0, so it fits only where queries and keys begin together.</summary>
    private Tensor? Mask(Group group, int? window)
    {
        if (window is { } w && group.Before + group.Longest <= w)
            window = null;
        if (group.Before == 0 && window is null)
            return null;
        var key = (group.Before, group.Longest, window);
        if (!_masks.TryGetValue(key, out var mask))
        {
            mask = CausalMask(group.Before, group.Longest, window, _type, _batch.Ids.device);
            _masks.Add(key, mask = _keep is null ? mask : _keep(mask));
        }

        return mask;
    }

    /// <summary>Runs of rows, [From, From + Σ lengths), with the same nodes above them.</summary>
    private sealed class Group
    {
        private readonly Tensor? _pad;
        private readonly Tensor? _unpad;
        private readonly long _rows;

        internal Group(IReadOnlyList<TokenBatch.Node> above, long from, int[] lengths, Device device, Func<Tensor, Tensor>? keep)
        {
            (Above, From, Count, Longest, _rows) = (above, from, lengths.Length, lengths.Max(), lengths.Sum());
            Before = above.Sum(n => n.Rows);
            if (lengths.All(l => l == Longest))
                return;
            var (pad, unpad) = (new long[Count * Longest], new long[_rows]);
            var row = 0;
            for (var b = 0; b < lengths.Length; b++)
            {
                for (var t = 0; t < lengths[b]; t++, row++)
                {
                    unpad[row] = b * Longest + t;
                    pad[b * Longest + t] = row;
                }

                // Padding stands for the last token of its run: attention is causal, so no real token ever looks at it.
                for (var t = lengths[b]; t < Longest; t++)
                    pad[b * Longest + t] = row - 1;
            }

            Tensor Make(long[] values)
            {
                var made = tensor(values, device: device);
                return keep is null ? made : keep(made);
            }

            (_pad, _unpad) = (Make(pad), Make(unpad));
        }

        internal IReadOnlyList<TokenBatch.Node> Above { get; }

        internal long From { get; }

        /// <summary>B.</summary>
        internal long Count { get; }

        /// <summary>T.</summary>
        internal long Longest { get; }

        /// <summary>P.</summary>
        internal long Before { get; }

        internal Tensor Of(Tensor x) => x.narrow(0, From, _rows);

        internal Tensor Pad(Tensor x) => _pad is null ? x : x.index_select(0, _pad);

        /// <summary>[B, h, T, d] to rows [Σ lengths, h·d].</summary>
        internal Tensor Rows(Tensor heads)
        {
            var rows = heads.transpose(1, 2).reshape(heads.shape[0] * heads.shape[2], -1); // [B·T, h·d]
            return _unpad is null ? rows : rows.index_select(0, _unpad);
        }

        /// <summary>A gradient's rows to [B, h, T, d]; padding has none.</summary>
        internal Tensor PadGradient(Tensor rows, long heads, long d)
        {
            if (_unpad is null)
                return Heads(rows, heads, d);
            var padded = zeros(Count * Longest, rows.shape[1], dtype: rows.dtype, device: rows.device);
            return Heads(padded.index_copy_(0, _unpad, rows), heads, d);
        }

        internal Tensor Heads(Tensor x, long heads, long d) => Heads(x, Count, heads, d);

        /// <summary>[B·T, heads·d] → [B, heads, T, d].</summary>
        internal static Tensor Heads(Tensor x, long count, long heads, long d) => x.reshape(count, x.shape[0] / count, heads, d).transpose(1, 2);
    }

    /// <summary>[B, g, T, d] → [B, h, T, d], each key/value head repeated for its group of queries.</summary>
    private Tensor Repeat(Tensor x, SavedActivations? keeper)
    {
        long g = _config.NumKeyValueHeads,
            groups = _config.NumAttentionHeads / g,
            b = x.shape[0],
            t = x.shape[2],
            d = _config.HeadDim;
        if (groups == 1)
            return x;
        var repeated = x.unsqueeze(2).expand(b, g, groups, t, d);
        if (keeper?.Take([b, g * groups, t, d], x.dtype) is not { } place)
            return repeated.reshape(b, g * groups, t, d);
        place.view(b, g, groups, t, d).copy_(repeated);
        return place;
    }

    /// <summary>The gradient of <see cref="Repeat"/>: [B, h, T, d] → [B, g, T, d].</summary>
    private Tensor SumGroups(Tensor x)
    {
        long g = _config.NumKeyValueHeads,
            groups = _config.NumAttentionHeads / g,
            b = x.shape[0],
            t = x.shape[2],
            d = _config.HeadDim;
        return groups == 1 ? x : x.reshape(b, g, groups, t, d).sum([2L]);
    }

    /// <summary>
    /// Additive mask [rows, before + rows] of queries at positions before, before + 1, …: a token sees itself and what stands before it, within the
    /// window.
    /// </summary>
    private static Tensor CausalMask(long before, long rows, int? window, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        var row = (arange(rows, dtype: ScalarType.Int64, device: device) + before).unsqueeze(1);
        var column = arange(before + rows, dtype: ScalarType.Int64, device: device).unsqueeze(0);
        var hidden = column > row;
        if (window is { } w)
            hidden = hidden.logical_or(column <= row - w);
        return zeros(rows, before + rows, dtype: type, device: device).masked_fill(hidden, double.NegativeInfinity).MoveToOuterDisposeScope();
    }

    /// <summary>One attention product, [B, h, T, d], with what its gradient needs where that is wanted.</summary>
    internal sealed record Product(Tensor Q, Tensor K, Tensor V, Tensor Result)
    {
        internal static Product Run(Tensor q, Tensor k, Tensor v, Tensor? mask, SavedActivations? keeper)
        {
            if (keeper is null)
                return new(q, k, v, Attention(q, k, v, mask));
            using var grad = enable_grad();
            Tensor Leaf(Tensor x) => keeper.Keep(x.detach().requires_grad_(true));
            (q, k, v) = (Leaf(q), Leaf(k), Leaf(v));
            return new(q, k, v, keeper.Keep(Attention(q, k, v, mask)));
        }

        internal (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient)
        {
            using var grad = enable_grad();
            var all = autograd.grad([Result], [Q, K, V], [gradient]);
            return (all[0], all[1], all[2]);
        }

        /// <summary>Without a mask causal.</summary>
        private static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask) =>
            mask is null ? nn.functional.scaled_dot_product_attention(q, k, v, is_casual: true) : nn.functional.scaled_dot_product_attention(q, k, v, mask);
    }

    /// <summary>A forward pass, to be followed by its backward pass once.</summary>
    internal interface IRecord
    {
        /// <summary>From the gradient of the result [N, h·d] to those of q [N, h·d], k and v [N, g·d].</summary>
        (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient);
    }

    private sealed record Tiles(TiledAttention.Tree[] Trees, TiledAttention.Shape Shape, Tensor Q, Tensor K, Tensor V, Tensor AttentionOutput, Tensor LogSums)
        : IRecord
    {
        (Tensor Q, Tensor K, Tensor V) IRecord.Backward(Tensor gradient) => TiledAttention.Backward(gradient, Q, K, V, AttentionOutput, LogSums, Trees, Shape);
    }

    private sealed class Products(PackedAttention attention, Product[] products) : IRecord
    {
        public (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient)
        {
            var (groups, config) = (attention._groups, attention._config);
            // By group; what a group's keys are to the groups below is added where the group is an inner node.
            var (q, k, v) = (new Tensor[groups.Length], new Tensor[groups.Length], new Tensor[groups.Length]);
            for (var i = 0; i < groups.Length; i++)
            {
                var group = groups[i];
                var (byQ, byK, byV) = products[i].Backward(group.PadGradient(group.Of(gradient), config.NumAttentionHeads, config.HeadDim));
                q[i] = group.Rows(byQ);
                k[i] = Keys(k, group, attention.SumGroups(byK)); // [B, g, P + T, d]
                v[i] = Keys(v, group, attention.SumGroups(byV));
            }

            static Tensor All(Tensor[] parts) => parts.Length == 1 ? parts[0] : cat(parts, 0);
            return (All(q), All(k), All(v));

            Tensor Keys(Tensor[] sums, Group group, Tensor all)
            {
                var at = 0L;
                foreach (var node in group.Above)
                {
                    var above = Array.FindIndex(groups, other => other.From == node.From);
                    var part = all.narrow(2, at, node.Rows).sum([0L], keepdim: true); // [1, g, rows, d]
                    sums[above] = sums[above] + part.transpose(1, 2).reshape(node.Rows, -1);
                    at += node.Rows;
                }

                return group.Rows(at == 0 ? all : all.narrow(2, at, all.shape[2] - at));
            }
        }
    }
}

/// <summary>Attention over whole sequences, or over a cache: what differs between training and generation.</summary>
internal interface IAttention
{
    /// <summary>q [N, h·d], k and v [N, g·d], rotated already and scaled so that 1/√d remains → [N, h·d].</summary>
    Tensor Attend(int layer, Tensor q, Tensor k, Tensor v);
}
