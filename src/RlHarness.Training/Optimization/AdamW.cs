using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using RlHarness.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Optimization;

/// <summary>
/// AdamW over the flat memory of one or more parameter stores, with one clipped norm over all of them. On the CPU a step is one pass over memory.
/// Update: p ← p (1 − lr·wd); m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; p ← p − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
/// Of several ranks each takes every step over the sum of their gradients; sharded, each has the moments of its part, updates it, and hands it to the others.
/// </summary>
public sealed class AdamW : IDisposable
{
    /// <summary>Numbers that libtorch's operations update at once.</summary>
    private const long Piece = 1 << 24;

    private readonly IReadOnlyList<ParameterStore> _stores;
    private readonly Ranks _ranks;

    /// <summary>What this rank updates of each store.</summary>
    private readonly IReadOnlyList<Shard>[] _shards;
    private readonly Tensor[] _m;
    private readonly Tensor[] _v;

    public AdamW(AdamWSettings settings, params IReadOnlyList<ParameterStore> stores)
        : this(settings, Ranks.Alone, sharded: false, stores) { }

    /// <param name="ranks">Who step together.</param>
    /// <param name="sharded">Whether each has the moments of a part alone.</param>
    public AdamW(AdamWSettings settings, Ranks ranks, bool sharded, params IReadOnlyList<ParameterStore> stores)
    {
        (Settings, _stores, _ranks, IsSharded) = (settings, stores, ranks, sharded && !ranks.IsAlone);
        using var scope = NewDisposeScope();
        foreach (var store in stores)
            store.EnableGradients();
        _shards = [.. stores.Select(s => IsSharded ? Shard.Of(s.Count, ranks.Rank, ranks.Size) : [])];
        _m = [.. stores.Select(Moments)];
        _v = [.. stores.Select(Moments)];
    }

    public AdamWSettings Settings { get; }

    /// <summary>Whether this rank has the moments of a part alone.</summary>
    public bool IsSharded { get; }

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>First and second moments, one of each a store. Not where ranks share them.</summary>
    /// <exception cref="InvalidOperationException">Each rank has a part.</exception>
    internal IEnumerable<(string Name, Tensor Tensor)> State =>
        !IsSharded
            ? _m.Select((t, i) => ($"m.{i}", t)).Concat(_v.Select((t, i) => ($"v.{i}", t)))
            : throw new InvalidOperationException("each rank has the moments of a part");

    public void ZeroGradients()
    {
        foreach (var store in _stores)
            store.ZeroGradients();
    }

    /// <summary>Adds up the gradients of all ranks; sharded each gets the sums of its part.</summary>
    public void AddUpGradients()
    {
        for (var i = 0; i < _stores.Count; i++)
            if (IsSharded)
                _ranks.AddUp("gradients", _stores[i].Gradient!, _shards[i]);
            else
                _ranks.AddUp("gradients", _stores[i].Gradient!);
    }

    /// <summary>Norm of each store's gradient, of all ranks, in the order of the stores.</summary>
    public IReadOnlyList<double> GradientNorms()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Tensor[][] parts =
        [
            .. _stores.Select(
                (store, i) => IsSharded ? (Tensor[])[.. Parts(i).Select(p => store.Gradient!.narrow(0, p.Own, p.OwnCount).norm())] : [store.Gradient!.norm()]
            ),
        ];
        var read = new Queue<double[]>(HostReads.Numbers([.. parts.SelectMany(p => p)]));
        double[][] norms = [.. parts.Select(p => (double[])[.. p.Select(_ => read.Dequeue()[0])])];
        return IsSharded ? [.. norms.Select(own => Math.Sqrt(_ranks.Sum("norms of gradients", own.Sum(Square))))] : [.. norms.Select(own => own[0])];
    }

    /// <summary>Clips and steps. Returns the norm before clipping.</summary>
    /// <param name="learningRate">Of this step.</param>
    /// <param name="norms">Those of <see cref="GradientNorms"/>, where they are known.</param>
    /// <exception cref="HarnessException">The norm is not finite: nothing is changed.</exception>
    public double Step(double learningRate, IReadOnlyList<double>? norms = null)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var norm = Math.Sqrt((norms ?? GradientNorms()).Sum(Square));
        if (!double.IsFinite(norm))
            throw new HarnessException(
                ErrorKind.Numerics,
                "the gradient is not finite",
                $"norm {norm}",
                "a finite norm",
                "lower the learning rate, or look at the last batch; weights are as before this step"
            );
        var scale = Settings.MaxGradNorm is { } max ? Math.Min(1, max / (norm + 1e-6)) : 1;
        Steps++;
        for (var i = 0; i < _stores.Count; i++)
        {
            var store = _stores[i];
            if (!IsSharded)
                Update(store.Data, store.Gradient!, _m[i], _v[i], store.DecayedCount, learningRate, scale);
            foreach (var part in Parts(i))
            {
                Tensor Own(Tensor whole) => whole.narrow(0, part.Own, part.OwnCount);
                Tensor Moments(Tensor parts) => parts.narrow(0, part.Offset, part.OwnCount);
                var decayed = Math.Clamp(store.DecayedCount - part.Own, 0, part.OwnCount);
                Update(Own(store.Data), Own(store.Gradient!), Moments(_m[i]), Moments(_v[i]), decayed, learningRate, scale);
            }

            if (IsSharded)
                _ranks.Complete("weights", store.Data, _shards[i]);
            store.Touch();
        }

        return norm;
    }

    /// <summary>
    /// Writes the moments as fp32 tensors m.i and v.i of a safetensors file, one of each a store: the state beside <see cref="Steps"/>. It does not depend on
    /// the number of ranks. Sharded, the first rank calls this while the others call <see cref="Share"/>; no rank ever has more than its own and one block.
    /// </summary>
    public void Save(string path) => NamedTensors.Save(path, Names().Select(n => (n.Name, n.Count, n.Blocks)));

    /// <summary>Gives the first rank this one's moments, while it saves them. Nothing where each rank has them all.</summary>
    public void Share()
    {
        if (!IsSharded)
            return;
        // In the order of the file.
        foreach (var (_, _, blocks) in Names().OrderBy(n => n.Name, StringComparer.Ordinal))
            foreach (var _ in blocks()) { }
    }

    private IEnumerable<(string Name, long Count, Func<IEnumerable<Tensor>> Blocks)> Names()
    {
        foreach (var (letter, moments) in new[] { ("m", _m), ("v", _v) })
            for (var i = 0; i < _stores.Count; i++)
            {
                var store = i;
                yield return ($"{letter}.{i}", _stores[i].Count, () => IsSharded ? Blocks(store, moments[store]) : [moments[store]]);
            }
    }

    /// <summary>The moments of a store of all ranks, block by block: whole on the first one.</summary>
    private IEnumerable<Tensor> Blocks(int store, Tensor own)
    {
        foreach (var shard in _shards[store])
        {
            using var guard = no_grad();
            using var scope = NewDisposeScope();
            var block = zeros(shard.Count, dtype: ScalarType.Float32, device: CPU);
            if (shard.OwnCount > 0)
                block.narrow(0, shard.Own - shard.Start, shard.OwnCount).copy_(own.narrow(0, shard.Offset, shard.OwnCount));
            _ranks.Complete("moments", block, [shard with { Start = 0, Own = shard.Own - shard.Start }]);
            yield return block;
        }
    }

    /// <summary>Takes moments from where they were written, whatever the number of ranks was.</summary>
    /// <param name="load">Fills whole moments.</param>
    public void Load(Action<IReadOnlyCollection<(string Name, Tensor Tensor)>> load)
    {
        ArgumentNullException.ThrowIfNull(load);
        if (!IsSharded)
        {
            load([.. State]);
            return;
        }

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        (string Name, Tensor Tensor)[] whole =
        [
            .. _stores.Select((s, i) => ($"m.{i}", zeros(s.Count, dtype: ScalarType.Float32, device: CPU))),
            .. _stores.Select((s, i) => ($"v.{i}", zeros(s.Count, dtype: ScalarType.Float32, device: CPU))),
        ];
        load(whole);
        for (var i = 0; i < _stores.Count; i++)
            foreach (var part in Parts(i))
            {
                _m[i].narrow(0, part.Offset, part.OwnCount).copy_(whole[i].Tensor.narrow(0, part.Own, part.OwnCount));
                _v[i].narrow(0, part.Offset, part.OwnCount).copy_(whole[_stores.Count + i].Tensor.narrow(0, part.Own, part.OwnCount));
            }
    }

    public void Dispose()
    {
        foreach (var tensor in _m.Concat(_v))
            tensor.Dispose();
    }

    /// <summary>Zeros for what this rank has the moments of.</summary>
    private Tensor Moments(ParameterStore store, int i) =>
        (
            IsSharded ? zeros(_shards[i].Sum(s => (long)s.OwnCount), dtype: ScalarType.Float32, device: store.Device) : zeros_like(store.Data)
        ).DetachFromDisposeScope();

    /// <summary>Parts of this rank that are not empty.</summary>
    private IEnumerable<Shard> Parts(int store) => _shards[store].Where(s => s.OwnCount > 0);

    private static double Square(double x) => x * x;

    private void Update(Tensor data, Tensor gradient, Tensor m, Tensor v, long decayed, double learningRate, double scale)
    {
        var s = Settings;
        var correction1 = 1 - Math.Pow(s.Beta1, Steps);
        var correction2 = Math.Sqrt(1 - Math.Pow(s.Beta2, Steps));
        var stepSize = learningRate / correction1;
        var decay = 1 - learningRate * s.WeightDecay;
        OperandDevices.Same("optimizer step", data, gradient, m, v);
        if (KernelPolicy.Serves(data))
        {
            FusedAdamW.Update(
                data,
                gradient,
                m,
                v,
                decayed,
                new((float)scale, (float)s.Beta1, (float)s.Beta2, (float)s.Epsilon, (float)stepSize, (float)(1 / correction2), (float)decay)
            );
        }
        else
        {
            if (s.WeightDecay != 0)
                data.narrow(0, 0, decayed).mul_(decay);
            // In pieces, so that what lies between is there for a piece and not for all parameters.
            for (var at = 0L; at < data.shape[0]; at += Piece)
            {
                using var scope = NewDisposeScope();
                Tensor Part(Tensor x) => x.narrow(0, at, Math.Min(Piece, data.shape[0] - at));
                var (g, first, second) = (Part(gradient), Part(m), Part(v));
                if (scale != 1)
                    g = g * scale;
                first.mul_(s.Beta1).add_(g, alpha: 1 - s.Beta1);
                second.mul_(s.Beta2).addcmul_(g, g, value: 1 - s.Beta2);
                Part(data).addcdiv_(first, (second.sqrt() / correction2).add_(s.Epsilon), value: -stepSize);
            }
        }
    }
}
