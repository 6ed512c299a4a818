using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Optimization;

/// <summary>
/// AdamW over the flat memory of one or more parameter stores, with one clipped norm over all of them. On the CPU a step is one pass over memory.
/// Update: p ← p (1 − lr·wd); m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; p ← p − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly IReadOnlyList<ParameterStore> _stores;
    private readonly Tensor[] _m;
    private readonly Tensor[] _v;

    public AdamW(AdamWSettings settings, params IReadOnlyList<ParameterStore> stores)
    {
        Settings = settings;
        _stores = stores;
        using var scope = NewDisposeScope();
        foreach (var store in stores)
            store.EnableGradients();
        _m = [.. stores.Select(s => zeros_like(s.Data).DetachFromDisposeScope())];
        _v = [.. stores.Select(s => zeros_like(s.Data).DetachFromDisposeScope())];
    }

    public AdamWSettings Settings { get; }

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>First and second moments, one of each a store: the optimizer's state beside <see cref="Steps"/>.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> State => _m.Select((t, i) => ($"m.{i}", t)).Concat(_v.Select((t, i) => ($"v.{i}", t)));

    public void ZeroGradients()
    {
        foreach (var store in _stores)
            store.ZeroGradients();
    }

    /// <summary>Clips and steps. Returns the norm before clipping.</summary>
    /// <exception cref="HarnessException">The norm is not finite: nothing is changed.</exception>
    public double Step(double learningRate)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var norm = Math.Sqrt(_stores.Sum(s => Square(s.Gradient!.norm().to(ScalarType.Float64).item<double>())));
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
            Update(_stores[i], _m[i], _v[i], learningRate, scale);
        return norm;
    }

    public void Dispose()
    {
        foreach (var tensor in _m.Concat(_v))
            tensor.Dispose();
    }

    private static double Square(double x) => x * x;

    private void Update(ParameterStore store, Tensor m, Tensor v, double learningRate, double scale)
    {
        var s = Settings;
        var correction1 = 1 - Math.Pow(s.Beta1, Steps);
        var correction2 = Math.Sqrt(1 - Math.Pow(s.Beta2, Steps));
        var stepSize = learningRate / correction1;
        var decay = 1 - learningRate * s.WeightDecay;
        if (store.Device.type == DeviceType.CPU)
        {
            FusedAdamW.Update(
                store.Data,
                store.Gradient!,
                m,
                v,
                store.DecayedCount,
                new((float)scale, (float)s.Beta1, (float)s.Beta2, (float)s.Epsilon, (float)stepSize, (float)(1 / correction2), (float)decay)
            );
        }
        else
        {
            var g = scale == 1 ? store.Gradient! : store.Gradient! * scale;
            if (s.WeightDecay != 0)
                store.Data.narrow(0, 0, store.DecayedCount).mul_(decay);
            m.mul_(s.Beta1).add_(g, alpha: 1 - s.Beta1);
            v.mul_(s.Beta2).addcmul_(g, g, value: 1 - s.Beta2);
            store.Data.addcdiv_(m, (v.sqrt() / correction2).add_(s.Epsilon), value: -stepSize);
        }

        store.Touch();
    }
}
