using RlHarness.Models.Decoders;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

[Trait("kind", "contract")]
public sealed class WorkspaceTests
{
    [Fact]
    public void Tensors_do_not_overlap_and_there_is_no_more_room_than_was_asked_for_and_an_eighth()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        // 1,000 numbers and an eighth more; places are rounded up to 16: 7 · 13 takes 96, 500 takes 512
        var workspace = new Workspace(1000, 0);
        var taken = new[] { workspace.Take([7, 13], ScalarType.Float32)!, workspace.Take([500], ScalarType.Float32)! };
        Assert.Equal((608L, 0L), workspace.Mark);
        for (var i = 0; i < taken.Length; i++)
            taken[i].fill_(i + 1);
        Assert.Equal([91.0, 1000.0], taken.Select(t => t.sum().item<float>()).Select(x => (double)x));
        Assert.Null(workspace.Take([600], ScalarType.Float32));
        Assert.Null(workspace.Take([1], ScalarType.BFloat16));
        Assert.Null(workspace.Take([1], ScalarType.Int64));
    }

    [Fact]
    public void A_record_gives_its_place_back_to_the_next_one()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var workspace = new Workspace(64, 64);
        using var first = new SavedActivations(workspace);
        first.Take([16], ScalarType.Float32)!.fill_(1);
        using (var second = new SavedActivations(workspace))
            second.Take([32], ScalarType.BFloat16)!.fill_(2);
        Assert.Equal((16L, 0L), workspace.Mark);
        using var third = new SavedActivations(workspace);
        Assert.Equal(2, third.Take([32], ScalarType.BFloat16)!.to(ScalarType.Float32)[31].item<float>(), 0f); // where the second's lay
    }

    [Fact]
    public void A_change_of_one_tensor_is_none_of_another_that_libtorch_keeps_for_a_gradient()
    {
        using var scope = NewDisposeScope();
        var workspace = new Workspace(64, 0);
        using var kept = workspace.Take([4], ScalarType.Float32)!;
        using var other = workspace.Take([4], ScalarType.Float32)!;
        using (no_grad())
            kept.fill_(3);
        var leaf = kept.detach().requires_grad_(true);
        var loss = leaf.square().sum();
        using (no_grad())
            other.fill_(5);
        loss.backward();
        Assert.Equal([6f, 6f, 6f, 6f], leaf.grad!.data<float>().ToArray());
    }
}
