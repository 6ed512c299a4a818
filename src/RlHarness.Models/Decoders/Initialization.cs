using RlHarness.Core.Randomness;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>
/// Fresh weights: matrices normal with the given deviation, those that write to the residual stream divided by √(2 · layers) (Radford et al. 2019),
/// norms 1, biases 0.
/// </summary>
public static class Initialization
{
    private const int AtOnce = 1 << 14;

    public static void Normal(Decoder decoder, double deviation, RandomStream random)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var residual = deviation / Math.Sqrt(2.0 * decoder.Config.NumHiddenLayers);
        foreach (var spec in decoder.Parameters.Specs)
        {
            var parameter = decoder.Parameters[spec.Name];
            if (spec.Name.EndsWith(".bias", StringComparison.Ordinal))
                parameter.zero_();
            else if (!spec.Decays)
                parameter.fill_(decoder.Config.NormAddsOne ? 0 : 1);
            else
            {
                var scale =
                    spec.Name.EndsWith("o_proj.weight", StringComparison.Ordinal) || spec.Name.EndsWith("down_proj.weight", StringComparison.Ordinal)
                        ? residual
                        : deviation;
                var flat = parameter.view(-1);
                for (var at = 0L; at < spec.Count; at += AtOnce)
                {
                    using var step = NewDisposeScope();
                    var values = new float[Math.Min(AtOnce, spec.Count - at)];
                    for (var i = 0; i < values.Length; i++)
                        values[i] = (float)(random.NextGaussian() * scale);
                    flat.narrow(0, at, values.Length).copy_(tensor(values, device: CPU));
                }
            }
        }

        decoder.Parameters.Touch();
    }
}
