using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Models.Verification;

/// <summary>The largest absolute difference over several tensors of one kind.</summary>
internal sealed class LargestError(string kind, double tolerance)
{
    private double _error;
    private double _largest;
    private long _compared;
    private string? _where;

    /// <summary>Compares two tensors of one shape; values that are not finite on one side alone count as an infinite error.</summary>
    public void Add(string? name, Tensor got, Tensor want)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = (HostReads.Copy(got.detach().to(ScalarType.Float32)), HostReads.Copy(want.to(ScalarType.Float32)));
        var difference = HostReads.Number((a - b).abs().max());
        var error = double.IsFinite(difference) ? difference : double.PositiveInfinity;
        _largest = Math.Max(_largest, HostReads.Number(b.abs().max()));
        _compared += a.numel();
        if (error < _error || (error == _error && _where is not null))
            return;
        (_error, _where) = (error, name);
    }

    /// <summary>Adds the check, where anything was compared.</summary>
    public void AddTo(List<FidelityCheck> checks)
    {
        if (_compared > 0)
            checks.Add(new FidelityCheck(kind, _error, Tolerances.For(tolerance, _largest), "absolute", _compared, _where));
    }
}
