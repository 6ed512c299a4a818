using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Named fp32 parameters as views of one flat tensor, and their gradients as views of another: an optimizer step is a handful of operations on flat
/// memory, a copy of a model is one copy. Parameters that weight decay applies to come first. A store that is never trained can keep some of them in bfloat16.
/// </summary>
public sealed class ParameterStore : IDisposable
{
    private readonly Dictionary<string, Tensor> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Tensor> _gradients = new(StringComparer.Ordinal);

    /// <param name="specs">What there is.</param>
    /// <param name="device">Where it lies.</param>
    /// <param name="requiresGrad">Whether gradients are kept from the start.</param>
    /// <param name="low">Which parameters are kept in bfloat16, for good: the store is never trained then. Null: none.</param>
    public ParameterStore(IReadOnlyList<ParameterSpec> specs, Device device, bool requiresGrad = false, Func<ParameterSpec, bool>? low = null)
    {
        using var scope = NewDisposeScope();
        Specs = [.. specs.Where(s => s.Decays), .. specs.Where(s => !s.Decays)];
        DecayedCount = Specs.Where(s => s.Decays).Sum(s => s.Count);
        Count = Specs.Sum(s => s.Count);
        ParameterSpec[] inLow = low is null ? [] : [.. Specs.Where(low)];
        Data = zeros(Count - inLow.Sum(s => s.Count), dtype: ScalarType.Float32, device: device).DetachFromDisposeScope();
        AddParts(Data, Specs.Except(inLow), _byName);
        if (inLow.Length > 0)
        {
            Low = zeros(inLow.Sum(s => s.Count), dtype: ScalarType.BFloat16, device: device).DetachFromDisposeScope();
            AddParts(Low, inLow, _byName);
        }

        if (requiresGrad)
            EnableGradients();
    }

    private ParameterStore(ParameterStore other)
    {
        using var scope = NewDisposeScope();
        (Specs, DecayedCount, Count) = (other.Specs, other.DecayedCount, other.Count);
        if (other.Low is not null)
            throw new InvalidOperationException("a store with parameters in bfloat16 has no replica");
        Data = other.Data.detach().DetachFromDisposeScope();
        AddParts(Data, Specs, _byName);
        if (other.Gradient is not null)
            EnableGradients();
    }

    /// <summary>Shares the numbers and has its own gradients, for a concurrent backward pass.</summary>
    internal ParameterStore Replica() => new(this);

    public IReadOnlyList<ParameterSpec> Specs { get; }

    /// <summary>All fp32 parameters: [Count], where <see cref="Low"/> has none.</summary>
    public Tensor Data { get; }

    /// <summary>Parameters in bfloat16, one after another; null where all are fp32.</summary>
    public Tensor? Low { get; }

    /// <summary>All gradients, [Count]; null while the store is frozen.</summary>
    public Tensor? Gradient { get; private set; }

    public long Count { get; }

    /// <summary>The first so many numbers are matrices, which weight decay applies to.</summary>
    public long DecayedCount { get; }

    /// <summary>Changes with each update, so that derived copies know when they are stale.</summary>
    public int Version { get; private set; }

    public Device Device => Data.device;

    public Tensor this[string name] => _byName.TryGetValue(name, out var tensor) ? tensor : throw new InvalidOperationException($"no parameter {name}");

    public bool Contains(string name) => _byName.ContainsKey(name);

    public void Touch() => Version++;

    public void EnableGradients()
    {
        if (Gradient is not null)
            return;
        if (Low is not null)
            throw new InvalidOperationException("parameters in bfloat16 are frozen: steps of a usual size would not move them");
        using var scope = NewDisposeScope();
        Gradient = zeros_like(Data).DetachFromDisposeScope();
        AddParts(Gradient, Specs, _gradients);
        foreach (var (name, parameter) in _byName)
        {
            parameter.requires_grad_(true);
            parameter.grad = _gradients[name].alias();
        }
    }

    /// <summary>The gradient of one parameter, a view of <see cref="Gradient"/> that belongs to this store.</summary>
    public Tensor GradientOf(string name) =>
        _gradients.TryGetValue(name, out var gradient)
            ? gradient
            : throw new InvalidOperationException(Gradient is null ? "the parameters are frozen" : $"no parameter {name}");

    public void ZeroGradients()
    {
        // Operations in place return a second handle of the same tensor, which is the scope's to dispose of.
        using var scope = NewDisposeScope();
        Gradient?.zero_();
    }

    public void CopyFrom(ParameterStore other)
    {
        if (other.Count != Count || other.Data.numel() != Data.numel())
            throw new InvalidOperationException($"parameter stores differ: {other.Count} numbers ({other.Data.numel()} in fp32), not {Count} ({Data.numel()})");
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Data.copy_(other.Data);
        Low?.copy_(other.Low!);
        Touch();
    }

    /// <summary>Views of each parameter's place in flat memory.</summary>
    private static void AddParts(Tensor flat, IEnumerable<ParameterSpec> specs, Dictionary<string, Tensor> parts)
    {
        var offset = 0L;
        foreach (var spec in specs)
        {
            parts.Add(spec.Name, flat.narrow(0, offset, spec.Count).view(spec.Shape).DetachFromDisposeScope());
            offset += spec.Count;
        }
    }

    public void Dispose()
    {
        foreach (var tensor in _byName.Values.Concat(_gradients.Values))
            tensor.Dispose();
        Data.Dispose();
        Low?.Dispose();
        Gradient?.Dispose();
    }
}
