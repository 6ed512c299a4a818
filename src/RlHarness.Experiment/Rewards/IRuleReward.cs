namespace RlHarness.Experiment.Rewards;

/// <summary>A reward that is a pure function of what the user would see.</summary>
public interface IRuleReward
{
    string Name { get; }

    double Score(RewardInput input);
}
