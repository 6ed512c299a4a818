namespace RlHarness.Training.Ppo;

/// <summary>A prompt, the response that the policy drew, and its score. The score counts at the last response token.</summary>
public sealed record Episode(IReadOnlyList<int> Prompt, IReadOnlyList<int> Response, double Score)
{
    public int Length => Prompt.Count + Response.Count;
}
