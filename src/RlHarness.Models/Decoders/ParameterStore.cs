using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Named fp32 parameters as views of one flat tensor, and their gradients as views of another: an optimizer step is a handful of operations on flat
/// memory, a copy of a model is one copy. Parameters that weight decay applies to come first.
/// </summary>
public sealed class ParameterStore : IDisposable
{
    private readonly Dictionary<string, Tensor> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Tensor> _gradients = new(StringComparer.Ordinal);

    public ParameterStore(IReadOnlyList<ParameterSpec> specs, Device device, bool requiresGrad = false)
    {
        using var scope = NewDisposeScope();
        Specs = [.. specs.Where(s => s.Decays), .. specs.Where(s => !s.Decays)];
        DecayedCount = Specs.Where(s => s.Decays).Sum(s => s.Count);
        Count = Specs.Sum(s => s.Count);
        Data = zeros(Count, dtype: ScalarType.Float32, device: device).DetachFromDisposeScope();
        AddParts(Data, _byName);
        if (requiresGrad)
            EnableGradients();
    }

    private ParameterStore(ParameterStore other)
    {
        using var scope = NewDisposeScope();
        (Specs, DecayedCount, Count) = (other.Specs, other.DecayedCount, other.Count);
        Data = other.Data.detach().DetachFromDisposeScope();
        AddParts(Data, _byName);
        if (other.Gradient is not null)
            EnableGradients();
    }

    /// <summary>Shares the numbers and has its own gradients, for a concurrent backward pass.</summary>
    internal ParameterStore Replica() => new(this);

    public IReadOnlyList<ParameterSpec> Specs { get; }

    /// <summary>All parameters, [Count].</summary>
    public Tensor Data { get; }

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
        using var scope = NewDisposeScope();
        Gradient = zeros_like(Data).DetachFromDisposeScope();
        AddParts(Gradient, _gradients);
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
        if (other.Count != Count)
            throw new InvalidOperationException($"parameter stores differ: {other.Count} numbers, not {Count}");
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Data.copy_(other.Data);
        Touch();
    }

    /// <summary>Views of each parameter's place in flat memory.</summary>
    private void AddParts(Tensor flat, Dictionary<string, Tensor> parts)
    {
        var offset = 0L;
        foreach (var spec in Specs)
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
        Gradient?.Dispose();
    }
}
