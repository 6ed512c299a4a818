using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: B rows, T columns in use, h query heads, g key/value heads, d head size.
namespace RlHarness.Models.Generation;

/// <summary>Attention of whole prompts that also fills the cache: cell i gets the keys and values of row sources[i], a shared row for each prompt.</summary>
internal sealed class PrefillAttention(DecoderConfig config, TokenBatch batch, ScalarType type, KeyValueCache cache, Tensor cells, Tensor sources) : IAttention
{
    private readonly PackedAttention _packed = new(config, batch, type);

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v)
    {
        OperandDevices.Same("cached attention", k, cells, sources, cache.Keys(layer));
        long width = config.KeyValueWidth;
        cache.Keys(layer).view(-1, width).index_copy_(0, cells, k.reshape(-1, width).index_select(0, sources));
        cache.Values(layer).view(-1, width).index_copy_(0, cells, v.reshape(-1, width).index_select(0, sources));
        return _packed.Attend(layer, q, k, v);
    }
}

/// <summary>
/// Attention of one new token for each row over the cache. Queries of one key/value head are taken together, so no key is repeated. Where the kernel does not
/// serve, the rows' places are 0, 1, 2, …, and empty ones behind them are not read.
/// </summary>
/// <param name="slots">Place of each row in the cache.</param>
/// <param name="columns">Column of each row's new token.</param>
/// <param name="starts">Column of each row's first token; null: 0.</param>
internal sealed class StepAttention(DecoderConfig config, KeyValueCache cache, long[] slots, long[] columns, Device device, long[]? starts = null)
    : IAttention,
        IDisposable
{
    private readonly CachedStep.Shape _shape = new(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim);
    private readonly long[] _starts = starts ?? new long[columns.Length];
    private readonly long[] _windowStarts =
    [
        .. columns.Select((column, row) => Math.Max(starts?[row] ?? 0, config.SlidingWindow is { } window ? column - window + 1 : 0)),
    ];
    private readonly bool _together = columns.All(column => column == columns[0]);
    private Tensor? _cells;
    private Tensor? _mask;
    private Tensor? _windowMask;

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v)
    {
        OperandDevices.Same("cached attention", q, k, v, cache.Keys(layer));
        var from = config.IsSliding(layer) ? _windowStarts : _starts;
        if (CachedStep.IsSupported(q.device, q.dtype, config.HeadDim))
            return CachedStep.Attend(q, k, v, cache.Keys(layer), cache.Values(layer), slots, columns, from, _shape);
        long b = q.shape[0],
            g = config.NumKeyValueHeads,
            d = config.HeadDim,
            groups = config.NumAttentionHeads / g,
            t = columns.Max() + 1;
        _cells ??= tensor([.. columns.Select((column, row) => row * cache.Capacity + column)], device: device).DetachFromDisposeScope();
        cache.Keys(layer).view(-1, g * d).index_copy_(0, _cells, k.reshape(b, g * d));
        cache.Values(layer).view(-1, g * d).index_copy_(0, _cells, v.reshape(b, g * d));
        var keys = cache.Keys(layer).narrow(0, 0, b).narrow(1, 0, t).view(b, t, g, d).transpose(1, 2); // [B, g, T, d]
        var values = cache.Values(layer).narrow(0, 0, b).narrow(1, 0, t).view(b, t, g, d).transpose(1, 2);
        var query = q.reshape(b, g, groups, d);
        // Where every row sees all columns no mask is needed, and kernels serve that take none.
        if (_together && from.All(start => start == 0))
            return nn.functional.scaled_dot_product_attention(query, keys, values).reshape(b, g * groups * d);
        var visible = config.IsSliding(layer) ? _windowMask ??= Mask(_windowStarts, q.dtype) : _mask ??= Mask(_starts, q.dtype); // [B, 1, 1, T]
        return nn.functional.scaled_dot_product_attention(query, keys, values, visible.expand(b, g, groups, t)).reshape(b, g * groups * d);
    }

    public void Dispose()
    {
        _cells?.Dispose();
        _mask?.Dispose();
        _windowMask?.Dispose();
    }

    /// <summary>Additive mask of what stands before each row's first column, and behind its last.</summary>
    private Tensor Mask(long[] from, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var t = columns.Max() + 1;
        var column = arange(t, dtype: ScalarType.Int64, device: device).unsqueeze(0);
        var hidden = (column < tensor(from, device: device).unsqueeze(1)).logical_or(column > tensor(columns, device: device).unsqueeze(1));
        return zeros(from.Length, t, dtype: type, device: device)
            .masked_fill(hidden, double.NegativeInfinity)
            .view(from.Length, 1, 1, t)
            .DetachFromDisposeScope();
    }
}

/// <summary>
/// Attention of the rest of some prompts whose beginnings are in the cache already: each token sees the cache of its own row up to itself.
/// </summary>
/// <param name="parts">By prompt: its slot, the first column that it fills, how many tokens before them lie in the slot, how many tokens there are.</param>
internal sealed class ContinuedAttention(
    DecoderConfig config,
    KeyValueCache cache,
    IReadOnlyList<(int Slot, long Column, int Before, int Count)> parts,
    Device device
) : IAttention, IDisposable
{
    private readonly Dictionary<(int Part, bool Sliding), Tensor> _masks = [];

    public Tensor Attend(int layer, Tensor q, Tensor k, Tensor v)
    {
        OperandDevices.Same("cached attention", q, k, v, cache.Keys(layer));
        long h = config.NumAttentionHeads,
            g = config.NumKeyValueHeads,
            d = config.HeadDim;
        var outputs = new List<Tensor>();
        long row = 0;
        for (var i = 0; i < parts.Count; i++)
        {
            var (slot, column, before, count) = parts[i];
            var (keys, values) = (cache.Keys(layer).select(0, slot), cache.Values(layer).select(0, slot)); // [C, g·d]
            keys.narrow(0, column, count).copy_(k.narrow(0, row, count).reshape(count, g * d));
            values.narrow(0, column, count).copy_(v.narrow(0, row, count).reshape(count, g * d));
            var query = q.narrow(0, row, count).reshape(count, h, d).transpose(0, 1).unsqueeze(0); // [1, h, t, d]
            var seenKeys = Seen(keys);
            var seenValues = Seen(values);
            // The last token sees all that is there, where no window is.
            var mask = count == 1 && !config.IsSliding(layer) ? null : Mask(i, config.IsSliding(layer), q.dtype);
            outputs.Add(nn.functional.scaled_dot_product_attention(query, seenKeys, seenValues, mask).squeeze(0).transpose(0, 1).reshape(count, h * d));
            row += count;

            // [1, h, T, d]: each key/value head once for each of its queries.
            Tensor Seen(Tensor side) =>
                side.narrow(0, column - before, before + count)
                    .view(before + count, g, 1, d)
                    .expand(before + count, g, h / g, d)
                    .reshape(before + count, h, d)
                    .transpose(0, 1)
                    .unsqueeze(0);
        }

        return cat(outputs, 0);
    }

    public void Dispose()
    {
        foreach (var mask in _masks.Values)
            mask.Dispose();
    }

    /// <summary>Additive mask [t, T] of what comes later than each token, or lies outside of its window.</summary>
    private Tensor Mask(int part, bool sliding, ScalarType type)
    {
        if (_masks.TryGetValue((part, sliding), out var known))
            return known;
        using var scope = NewDisposeScope();
        var (_, _, before, count) = parts[part];
        var queries = arange(before, before + count, dtype: ScalarType.Int64, device: device).unsqueeze(1);
        var keys = arange(before + count, dtype: ScalarType.Int64, device: device).unsqueeze(0);
        var hidden = keys > queries;
        if (sliding && config.SlidingWindow is { } window)
            hidden = hidden.logical_or(keys <= queries - window);
        return _masks[(part, sliding)] = zeros(count, before + count, dtype: type, device: device)
            .masked_fill(hidden, double.NegativeInfinity)
            .DetachFromDisposeScope();
    }
}
