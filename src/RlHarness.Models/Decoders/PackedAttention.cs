using RlHarness.Models.Kernels;
using static TorchSharp.torch;

// Symbols: B sequences, P tokens that they share, T the longest rest, N packed rows (P shared, then the rests), h query heads, g key/value heads, d head size.
namespace RlHarness.Models.Decoders;

/// <summary>
/// Causal attention of packed sequences: padded to [B, T] only here, with the padding behind, where causality hides it. Shared tokens attend among
/// themselves once; every rest attends to them and to itself. Where tiles of our own do not serve, the products are libtorch's, with its own gradient; all
/// around them is written by hand.
/// </summary>
internal sealed class PackedAttention : IAttention
{
    private readonly DecoderConfig _config;
    private readonly TokenBatch _batch;
    private readonly Tensor? _pad;
    private readonly Tensor? _unpad;
    private readonly Tensor? _restMask;
    private readonly Tensor? _restWindow;
    private readonly Tensor? _sharedWindow;
    private readonly TiledAttention.Segment[] _segments;

    /// <param name="config">Of the model.</param>
    /// <param name="batch">Has to outlive this, but for where <paramref name="keep"/> is given.</param>
    /// <param name="keep">Detaches saved tensors from their dispose scope; null leaves them in it.</param>
    internal PackedAttention(DecoderConfig config, TokenBatch batch, Func<Tensor, Tensor>? keep = null)
    {
        (_config, _batch) = (config, batch);
        long p = batch.Shared,
            t = batch.Longest - p;
        var rests = Enumerable
            .Range(0, batch.Lengths.Count)
            .Select(b => new TiledAttention.Segment(batch.Shared, batch.Starts[b], batch.Lengths[b] - batch.Shared));
        _segments = p == 0 ? [.. rests] : [new(0, 0, batch.Shared), .. rests];
        var device = batch.Ids.device;
        (_pad, _unpad) =
            keep is null || batch.PadIndex is null ? (batch.PadIndex, batch.UnpadIndex) : (keep(batch.PadIndex.alias()), keep(batch.UnpadIndex!.alias()));
        Tensor Mask(long before, long rows, int? window) =>
            keep is null ? CausalMask(before, rows, window, device) : keep(CausalMask(before, rows, window, device));
        // SDPA's own causal flag starts at key 0, so it fits only where queries and keys begin together.
        if (p > 0)
            _restMask = Mask(p, t, null);
        if (config.SlidingWindow is { } w && batch.Longest > w)
        {
            _restWindow = Mask(p, t, w);
            _sharedWindow = p > w ? Mask(0, p, w) : null;
        }
    }

    private long Sequences => _batch.Lengths.Count;

    private long Shared => _batch.Shared;

    private long Rest => _batch.Longest - _batch.Shared;

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v) => Attend(layer, q, k, v, null).AttentionOutput;

    /// <summary>q [N, h·d], k and v [N, g·d] → [N, h·d]; with a record for the backward pass where there is somebody to keep it.</summary>
    internal (Tensor AttentionOutput, IRecord? Record) Attend(int layer, Tensor q, Tensor k, Tensor v, SavedActivations? keeper)
    {
        long p = Shared,
            rests = _batch.Count - p,
            h = _config.NumAttentionHeads,
            g = _config.NumKeyValueHeads;
        var sliding = _config.IsSliding(layer);
        if (ReadsGroups(q))
        {
            var shape = new TiledAttention.Shape((int)h, (int)g, _config.HeadDim, 1 / MathF.Sqrt(_config.HeadDim), sliding ? _config.SlidingWindow : null);
            var (result, logSums) = TiledAttention.Forward(q, k, v, _segments, shape);
            return (
                result,
                keeper is null ? null : new Tiles(_segments, shape, keeper.Keep(q), keeper.Keep(k), keeper.Keep(v), keeper.Keep(result), keeper.Keep(logSums))
            );
        }

        if (p == 0)
        {
            var own = Product.Run(Heads(Pad(q), h), Repeat(Heads(Pad(k), g), keeper), Repeat(Heads(Pad(v), g), keeper), sliding ? _restWindow : null, keeper);
            return (Rows(own.Result), keeper is null ? null : new Products(this, null, own));
        }

        var (sharedKeys, sharedValues) = (Heads(k.narrow(0, 0, p), 1, g), Heads(v.narrow(0, 0, p), 1, g)); // [1, g, P, d]
        var shared = Product.Run(
            Heads(q.narrow(0, 0, p), 1, h),
            Repeat(sharedKeys, keeper),
            Repeat(sharedValues, keeper),
            sliding ? _sharedWindow : null,
            keeper
        );
        Tensor All(Tensor head, Tensor rest) =>
            Repeat(cat([head.expand(Sequences, g, p, _config.HeadDim), Heads(Pad(rest.narrow(0, p, rests)), g)], 2), keeper); // [B, h, P + T, d]
        var rest = Product.Run(
            Heads(Pad(q.narrow(0, p, rests)), h),
            All(sharedKeys, k),
            All(sharedValues, v),
            sliding && _restWindow is not null ? _restWindow : _restMask,
            keeper
        );
        var mixed = cat([shared.Result.transpose(1, 2).reshape(p, _config.QueryWidth), Rows(rest.Result)], 0);
        return (mixed, keeper is null ? null : new Products(this, shared, rest));
    }

    /// <summary>
    /// True where keys and values are read as they come, a head for its whole group; else they are repeated first, and the repeated ones are kept.
    /// </summary>
    internal bool ReadsGroups(Tensor q) => TiledAttention.IsSupported(q, _config.HeadDim);

    /// <summary>[B, h, T, d] to packed rows [N − P, h·d].</summary>
    private Tensor Rows(Tensor heads)
    {
        var rows = heads.transpose(1, 2).reshape(heads.shape[0] * heads.shape[2], -1); // [B·T, h·d]
        return _unpad is null ? rows : rows.index_select(0, _unpad);
    }

    private Tensor Pad(Tensor x) => _pad is null ? x : x.index_select(0, _pad);

    /// <summary>Packed rows of a gradient to [B, h, T, d]; padding has none.</summary>
    private Tensor PadGradient(Tensor rows)
    {
        if (_unpad is null)
            return Heads(rows, _config.NumAttentionHeads);
        var padded = zeros(Sequences * Rest, rows.shape[1], dtype: rows.dtype, device: rows.device);
        return Heads(padded.index_copy_(0, _unpad, rows), _config.NumAttentionHeads);
    }

    private Tensor Heads(Tensor x, long heads) => Heads(x, Sequences, heads);

    /// <summary>[B·T, heads·d] → [B, heads, T, d].</summary>
    private Tensor Heads(Tensor x, long sequences, long heads) => x.reshape(sequences, x.shape[0] / sequences, heads, _config.HeadDim).transpose(1, 2);

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
    private static Tensor CausalMask(long before, long rows, int? window, Device device)
    {
        using var scope = NewDisposeScope();
        var row = (arange(rows, device: device) + before).unsqueeze(1);
        var column = arange(before + rows, device: device).unsqueeze(0);
        var hidden = column > row;
        if (window is { } w)
            hidden = hidden.logical_or(column <= row - w);
        return zeros(rows, before + rows, dtype: ScalarType.Float32, device: device).masked_fill(hidden, double.NegativeInfinity).MoveToOuterDisposeScope();
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
            mask is null
                ? nn.functional.scaled_dot_product_attention(q, k, v, is_casual: true)
                : nn.functional.scaled_dot_product_attention(q, k, v, mask.to(q.dtype));
    }

    /// <summary>A forward pass, to be followed by its backward pass once.</summary>
    internal interface IRecord
    {
        /// <summary>From the gradient of the result [N, h·d] to those of q [N, h·d], k and v [N, g·d].</summary>
        (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient);
    }

    private sealed record Tiles(
        TiledAttention.Segment[] Segments,
        TiledAttention.Shape Shape,
        Tensor Q,
        Tensor K,
        Tensor V,
        Tensor AttentionOutput,
        Tensor LogSums
    ) : IRecord
    {
        (Tensor Q, Tensor K, Tensor V) IRecord.Backward(Tensor gradient) =>
            TiledAttention.Backward(gradient, Q, K, V, AttentionOutput, LogSums, Segments, Shape);
    }

    private sealed class Products : IRecord
    {
        private readonly PackedAttention _attention;
        private readonly Product? _shared;
        private readonly Product _rest;

        internal Products(PackedAttention attention, Product? shared, Product rest) => (_attention, _shared, _rest) = (attention, shared, rest);

        public (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient)
        {
            var a = _attention;
            var p = a.Shared;
            if (_shared is null)
            {
                var (q, k, v) = _rest.Backward(a.PadGradient(gradient));
                return (a.Rows(q), a.Rows(a.SumGroups(k)), a.Rows(a.SumGroups(v)));
            }

            var (sharedQ, sharedK, sharedV) = _shared.Backward(a.Heads(gradient.narrow(0, 0, p), 1, a._config.NumAttentionHeads));
            var (restQ, allK, allV) = _rest.Backward(a.PadGradient(gradient.narrow(0, p, gradient.shape[0] - p)));
            Tensor Queries() => cat([sharedQ.transpose(1, 2).reshape(p, -1), a.Rows(restQ)], 0);
            Tensor Keys(Tensor ofShared, Tensor ofAll)
            {
                var all = a.SumGroups(ofAll); // [B, g, P + T, d]
                var head = a.SumGroups(ofShared) + all.narrow(2, 0, p).sum([0L], keepdim: true); // [1, g, P, d]
                return cat([head.transpose(1, 2).reshape(p, -1), a.Rows(all.narrow(2, p, all.shape[2] - p))], 0);
            }

            return (Queries(), Keys(sharedK, allK), Keys(sharedV, allV));
        }
    }
}

/// <summary>Attention over whole sequences, or over a cache: what differs between training and generation.</summary>
internal interface IAttention
{
    /// <summary>q [N, h·d], k and v [N, g·d], rotated already and scaled so that 1/√d remains → [N, h·d].</summary>
    Tensor Attend(int layer, Tensor q, Tensor k, Tensor v);
}
