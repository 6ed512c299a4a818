using RlHarness.Models.Decoders;
using RlHarness.Training.Batching;

namespace RlHarness.Training.Ppo;

/// <summary>Values of the states before each response token: a head on the policy's own body, or a body of its own.</summary>
public sealed class Critic(ScalarHead head, Decoder? body = null) : IDisposable
{
    public ScalarHead Head => head;

    /// <summary>Null: the head reads the policy's hidden states.</summary>
    public Decoder? Body => body;

    public bool SharesPolicy => body is null;

    public IReadOnlyList<ParameterStore> Stores => body is null ? [head.Parameters] : [DifferentiablePass.Trainable(body), head.Parameters];

    public void Dispose()
    {
        head.Dispose();
        body?.Dispose();
    }
}
