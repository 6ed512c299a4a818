using RlHarness.Core.Randomness;
using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>One number from a hidden state: w·h + b. Values of a critic, scores of a reward model.</summary>
public sealed class ScalarHead : IDisposable
{
    public const string Weight = "score.weight";
    public const string Bias = "score.bias";

    /// <summary>w drawn with standard deviation 1/√(H + 1) (Stiennon et al. 2020), b 0.</summary>
    public ScalarHead(int hiddenSize, Device device, RandomStream random, bool requiresGrad = true)
    {
        Parameters = new ParameterStore([new(Weight, [1, hiddenSize], Decays: true), new(Bias, [1], Decays: false)], device, requiresGrad);
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var drawn = Enumerable.Range(0, hiddenSize).Select(_ => (float)(random.NextGaussian() / Math.Sqrt(hiddenSize + 1))).ToArray();
        Parameters[Weight].copy_(tensor(drawn, 1, hiddenSize, device: CPU));
    }

    public ParameterStore Parameters { get; }

    /// <summary>Hidden states [N, H] → [N], fp32.</summary>
    public Tensor Forward(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        OperandDevices.Same("scalar head", hidden, Parameters[Weight]);
        return nn.functional.linear(hidden.to(ScalarType.Float32), Parameters[Weight], Parameters[Bias]).squeeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>Adds to the bias.</summary>
    public void Shift(double by)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        Parameters[Bias].add_(by);
        Parameters.Touch();
    }

    public void Dispose() => Parameters.Dispose();
}
