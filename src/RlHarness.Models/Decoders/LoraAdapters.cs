using TorchSharp;
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
        Parameters = new ParameterStore([.. slices.SelectMany(s => new[] { new ParameterSpec(s.A, [s.Rank, s.Columns], true), new ParameterSpec(s.B, [s.Rows, s.Rank], true) })], device, requiresGrad);
    }

    public IReadOnlyList<LoraSlice> Slices { get; }

    public ParameterStore Parameters { get; }

    /// <summary>A head saved whole with the adapter (PEFT's <c>modules_to_save</c>), or null.</summary>
    public Tensor? SavedHead { get; }

    /// <summary>Switched off: the model answers as its base does.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Adds the adapters of one product to its result y [N, out].</summary>
    internal Tensor Add(string product, Tensor x, Tensor y)
    {
        if (!Enabled) return y;
        var slices = _byParameter[product];
        if (!slices.Any()) return y;
        var parts = new List<Tensor>();
        var at = 0L;
        foreach (var s in slices.OrderBy(s => s.Offset))
        {
            if (s.Offset > at) parts.Add(y.narrow(-1, at, s.Offset - at));
            var low = nn.functional.linear(x, Parameters[s.A].to(x.dtype)); // [N, r]
            parts.Add(y.narrow(-1, s.Offset, s.Rows) + nn.functional.linear(low, Parameters[s.B].to(x.dtype)) * s.Scale);
            at = s.Offset + s.Rows;
        }

        if (at < y.shape[^1]) parts.Add(y.narrow(-1, at, y.shape[^1] - at));
        return parts.Count == 1 ? parts[0] : cat(parts, -1);
    }

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
