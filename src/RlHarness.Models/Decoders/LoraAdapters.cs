using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>One low-rank adapter on rows [Offset, Offset + Rows) of a fused product: y += scale · (x Aᵀ) Bᵀ (Hu et al. 2021).</summary>
public sealed record LoraSlice(string DiskModule, string Parameter, long Offset, long Rows, long Columns, int Rank, double Scale)
{
    public string A => DiskModule + ".lora_A.weight";

    public string B => DiskModule + ".lora_B.weight";
}

/// <summary>The low-rank adapters of a model; the base weights stay as they are.</summary>
public sealed class LoraAdapters : IDisposable
{
    private readonly ILookup<string, LoraSlice> _byParameter;

    public LoraAdapters(IReadOnlyList<LoraSlice> slices, Device device, bool requiresGrad, Tensor? savedHead = null)
    {
        Slices = slices;
        SavedHead = savedHead;
        _byParameter = slices.ToLookup(s => s.Parameter, StringComparer.Ordinal);
        Parameters = new ParameterStore(
            [.. slices.SelectMany(s => new[] { new ParameterSpec(s.A, [s.Rank, s.Columns], true), new ParameterSpec(s.B, [s.Rows, s.Rank], true) })],
            device,
            requiresGrad
        );
    }

    private LoraAdapters(LoraAdapters other)
    {
        (Slices, _byParameter, Enabled) = (other.Slices, other._byParameter, other.Enabled);
        SavedHead = other.SavedHead?.alias().DetachFromDisposeScope();
        Parameters = other.Parameters.Replica();
    }

    public IReadOnlyList<LoraSlice> Slices { get; }

    public ParameterStore Parameters { get; }

    /// <summary>A head saved whole with the adapter (PEFT's <c>modules_to_save</c>), or null.</summary>
    public Tensor? SavedHead { get; }

    /// <summary>Switched off: the model answers as its base does.</summary>
    public bool Enabled { get; set; } = true;

    internal LoraAdapters Replica() => new(this);

    /// <summary>Adds the adapters of one product to its result y [N, out] in place.</summary>
    internal void Add(string product, Tensor x, Tensor y)
    {
        foreach (var s in Active(product))
        {
            OperandDevices.Same("adapter", x, Parameters[s.A], y);
            var low = nn.functional.linear(x, Parameters[s.A].to(x.dtype)); // [N, r]
            y.narrow(-1, s.Offset, s.Rows).add_(nn.functional.linear(low, Parameters[s.B].to(x.dtype)), alpha: s.Scale);
        }
    }

    /// <summary>Adds their part to the gradient by the input [N, in], given that by the result [N, out].</summary>
    internal void AddInputGradient(string product, Tensor gradient, Tensor inputGradient)
    {
        foreach (var s in Active(product))
            inputGradient.add_(mm(LowGradient(s, gradient), Parameters[s.A].to(gradient.dtype)));
    }

    /// <summary>Adds the adapters' own gradients, dA = s Bᵀ dyᵀ x and dB = s dyᵀ x Aᵀ, to their store.</summary>
    internal void AddParameterGradients(string product, Tensor gradient, Tensor x)
    {
        if (Parameters.Gradient is null)
            return;
        foreach (var s in Active(product))
        {
            var low = nn.functional.linear(x, Parameters[s.A].to(x.dtype)); // [N, r]
            Parameters.GradientOf(s.A).add_(mm(LowGradient(s, gradient).t(), x));
            Parameters.GradientOf(s.B).add_(mm(gradient.narrow(-1, s.Offset, s.Rows).t(), low), alpha: s.Scale);
        }
    }

    // [N, r]
    private Tensor LowGradient(LoraSlice s, Tensor gradient) => mm(gradient.narrow(-1, s.Offset, s.Rows), Parameters[s.B].to(gradient.dtype)) * s.Scale;

    private IEnumerable<LoraSlice> Active(string product) => Enabled ? _byParameter[product] : [];

    /// <summary>scale · B A of one adapter, [Rows, Columns]; the caller disposes of it.</summary>
    internal Tensor Delta(LoraSlice slice)
    {
        using var scope = NewDisposeScope();
        return (mm(Parameters[slice.B], Parameters[slice.A]) * slice.Scale).MoveToOuterDisposeScope();
    }

    /// <summary>Adds scale · B A to the base weights; <paramref name="sign"/> −1 takes it away again.</summary>
    public void MergeInto(Decoder decoder, int sign = 1)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        foreach (var s in Slices)
        {
            using var step = NewDisposeScope();
            decoder.Parameters[s.Parameter + ".weight"].narrow(0, s.Offset, s.Rows).add_(Delta(s) * sign);
        }

        decoder.Parameters.Touch();
    }

    public void Dispose()
    {
        Parameters.Dispose();
        SavedHead?.Dispose();
    }
}
